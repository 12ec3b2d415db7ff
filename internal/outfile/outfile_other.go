//go:build !unix

package outfile

import (
	"errors"
	"os"
)

// Create creates or truncates a file for writing. The error wraps ErrRefused if a rule forbids it. Owners
// and modes are not checked on these systems.
func (r Rules) Create(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, refuse(name, "it is not a regular file", otherName)
	}
	if err := r.input(name, info); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0o600)
}
