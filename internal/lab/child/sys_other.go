//go:build !linux

package child

import (
	"errors"
	"os"
	"syscall"
)

// Elsewhere the package only has to compile: the real parts are Debian programs.
var errLinux = errors.New("the private servers of the lab run on Linux only")

func attributes(string) *syscall.SysProcAttr { return nil }
func lock(*os.File) error                    { return errLinux }
func born(int) (string, error)               { return "", errLinux }
