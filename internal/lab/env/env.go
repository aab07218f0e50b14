package env

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Part is the name of a real part; its value is the one in stamps, logs and messages.
type Part string

// The parts, each installed by the script of the same row in table.
const (
	Asterisk Part = "asterisk" // the folder to chroot into
	MariaDB  Part = "mariadb"  // the program mariadbd
	MySQL    Part = "mysql"    // the folder to chroot into; optional
	Espeak   Part = "espeak"   // the program espeak-ng
	Sox      Part = "sox"      // the program sox
	SIPp     Part = "sipp"     // the program sipp
	Baresip  Part = "baresip"  // the program baresip
	XMLLint  Part = "xmllint"  // the program xmllint
)

// ErrMissing is wrapped by every error of Find; its sentence names the script to run.
var ErrMissing = errors.New("a real part is missing")

// ErrNoModule means that the working folder is not inside a checkout of Ringmaster, so there is no .local to look into.
var ErrNoModule = errors.New("not inside a checkout of Ringmaster: change to its folder, or set RINGMASTER_LOCAL to its .local")

// where says how a part is found: a program on PATH, or a folder of .local; needs lists files of .local without which the part
// is not complete.
type where struct {
	program  string
	folder   string
	needs    []string
	script   string
	optional bool
}

func table(p Part) (where, bool) {
	switch p {
	case Asterisk:
		return where{folder: "asterisk-root", script: "setup/asterisk.sh", needs: []string{"stamps/asterisk", "asterisk-root/usr/sbin/asterisk"}}, true
	case MariaDB:
		return where{program: "mariadbd", script: "setup/mariadb.sh", needs: []string{"stamps/mariadb", "mariadb/template/mysql"}}, true
	case MySQL:
		return where{folder: "mysql-root", script: "setup/mysql.sh", optional: true,
			needs: []string{"stamps/mysql", "mysql-root/usr/sbin/mysqld", "mysql-root/srv/ringmaster/template"}}, true
	case Espeak:
		return where{program: "espeak-ng", script: "setup/espeak.sh"}, true
	case Sox:
		return where{program: "sox", script: "setup/phones.sh"}, true
	case SIPp:
		return where{program: "sipp", script: "setup/phones.sh"}, true
	case Baresip:
		return where{program: "baresip", script: "setup/phones.sh"}, true
	case XMLLint:
		return where{program: "xmllint", script: "setup/xmllint.sh"}, true
	}
	return where{}, false
}

// Find returns the absolute path of a part (what kind of path stands beside each Part), or an error that wraps ErrMissing.
func Find(p Part) (string, error) {
	w, ok := table(p)
	if !ok {
		return "", fmt.Errorf("%w: nobody knows a part named %q", ErrMissing, string(p))
	}
	local, err := Local()
	if err != nil && (w.folder != "" || len(w.needs) > 0) {
		return "", err
	}
	for _, n := range w.needs {
		if _, err := os.Stat(filepath.Join(local, n)); err != nil {
			return "", fmt.Errorf("%w: %s (no .local/%s): run %s", ErrMissing, p, n, w.script)
		}
	}
	if w.folder != "" {
		return filepath.Join(local, w.folder), nil
	}
	path, err := lookPath(w.program)
	if err != nil {
		return "", fmt.Errorf("%w: %s (no program %s): run %s", ErrMissing, p, w.program, w.script)
	}
	return path, nil
}

// Version returns what a part said of itself when it was installed, or "" where setup did not install it.
func Version(p Part) string {
	if p == Sox || p == SIPp || p == Baresip {
		p = "phones"
	}
	local, err := Local()
	if err != nil {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(local, "stamps", string(p)))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// Local returns the absolute path of a file or folder of .local (of the checkout around the working folder, or of the folder named
// by RINGMASTER_LOCAL). It need not exist.
func Local(elem ...string) (string, error) {
	base := os.Getenv("RINGMASTER_LOCAL")
	if base == "" {
		root, err := ModuleRoot()
		if err != nil {
			return "", err
		}
		base = filepath.Join(root, ".local")
	}
	abs, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{abs}, elem...)...), nil
}

// ModuleRoot returns the folder of Ringmaster's go.mod, looking upwards from the working folder.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module ringmaster\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", ErrNoModule
		}
		dir = up
	}
}

// lookPath also looks where Debian keeps daemons, which is not on an ordinary user's PATH.
func lookPath(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}
