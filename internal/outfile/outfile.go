// Package outfile opens the files that pidwire writes. Recordings have confidential data, and root often
// writes them to directories of other users, so the rules are strict:
//
//   - A new file is created with mode 0600 and owned by the calling user. Symbolic links are not followed.
//   - An existing file is overwritten only if it is a regular file with one link, owned by the calling
//     user or by root. Its mode is set to 0600 before the first byte is written.
//   - A file that is read in the same run is never overwritten, under any name.
package outfile

import (
	"errors"
	"fmt"
	"os"
)

// Rules has the parameters of the rules.
type Rules struct {
	UID, GID int           // owner of new files; -1: unchanged
	Inputs   []os.FileInfo // files that are read in the same run
}

// ErrRefused means that a file must not be overwritten. The error that wraps it has the cause.
var ErrRefused = errors.New("not written")

// refuse returns an error with the file, the cause and a fix.
func refuse(name, cause, fix string) error {
	return fmt.Errorf("%s: %w: %s; %s", name, ErrRefused, cause, fix)
}

const otherName = "use another name, or remove it first"

// input returns an error if the file is read in the same run.
func (r Rules) input(name string, info os.FileInfo) error {
	for _, in := range r.Inputs {
		if os.SameFile(in, info) {
			return refuse(name, "it is an input of the same run ("+in.Name()+"), and would be overwritten", "use another name")
		}
	}
	return nil
}
