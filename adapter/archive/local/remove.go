package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Remove deletes a recording for good, by the path that Close gave. One that
// is gone already is no error.
func (a *Archive) Remove(path string) error {
	if !filepath.IsLocal(path) {
		return ErrPath
	}
	root, err := os.OpenRoot(a.root) // no symbolic link leads out
	if err != nil {
		return err
	}
	err = root.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, root.Close())
}
