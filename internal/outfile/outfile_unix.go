//go:build unix

package outfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Create creates or truncates a file for writing. The error wraps ErrRefused if a rule forbids it.
func (r Rules) Create(name string) (*os.File, error) {
	const flags = os.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err := os.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return r.over(name, flags)
	}
	if err != nil {
		return nil, err
	}
	if r.UID >= 0 && (r.UID != os.Geteuid() || r.GID != os.Getegid()) {
		if err := f.Chown(r.UID, r.GID); err != nil {
			return nil, errors.Join(fmt.Errorf("giving %s to user %d: %w", name, r.UID, err), f.Close(), os.Remove(name))
		}
	}
	return f, nil
}

// over opens an existing file.
func (r Rules) over(name string, flags int) (*os.File, error) {
	// O_NONBLOCK: the open must not wait for a reader of a FIFO, or for a device.
	f, err := os.OpenFile(name, flags|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, refuse(name, "it is a symbolic link", "use the name of its target")
	case errors.Is(err, unix.ENXIO):
		return nil, refuse(name, "it is a FIFO or a device", "to write to a pipe, use standard output: -")
	case err != nil:
		return nil, err
	}
	if err := r.allowed(name, f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// allowed checks an open file by the rules, and truncates it.
func (r Rules) allowed(name string, f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFCHR && isNull(f):
		return nil // the null device needs no change
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return refuse(name, "it is not a regular file", "to write to a pipe or a device, use standard output: -")
	case st.Uid != 0 && int(st.Uid) != r.owner():
		return refuse(name, fmt.Sprintf("it belongs to user %d", st.Uid), otherName)
	case st.Nlink != 1:
		return refuse(name, fmt.Sprintf("it has %d hard links, and would be changed under all names", st.Nlink), otherName)
	}
	if err := r.input(name, info); err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return f.Truncate(0)
}

func (r Rules) owner() int {
	if r.UID >= 0 {
		return r.UID
	}
	return os.Geteuid()
}

// isNull reports whether a file is the null device.
func isNull(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}
