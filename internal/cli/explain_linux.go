package cli

import (
	"context"
	"errors"
	"os"

	"github.com/pidwire/pidwire/internal/source/audit"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/ksyms"
	"github.com/pidwire/pidwire/internal/source/proc"
)

const doctorHint = "details: pidwire doctor"

// explain turns an error of the live source into one with cause, fix and exit code.
func explain(err error) error {
	var ee *exitError
	if errors.As(err, &ee) || errors.Is(err, proc.ErrNoTarget) || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, ksyms.ErrPattern) {
		return &exitError{code: exitUsage, err: err, hint: []string{"pidwire kernel list PATTERN shows the available functions"}}
	}
	if errors.Is(err, bpf.ErrEngine) {
		return &exitError{code: exitFailure, err: err, hint: []string{"without --engine, the best available one is used; " + doctorHint}}
	}
	if errors.Is(err, audit.ErrAudit) {
		if errors.Is(err, os.ErrPermission) {
			return &exitError{code: exitPrivilege, err: err, hint: []string{"run it as root, for example with sudo", doctorHint}}
		}
		return &exitError{code: exitFailure, err: err, hint: []string{doctorHint}}
	}
	if cause, ok := bpf.Explain(err); ok {
		return &exitError{
			code: exitPrivilege,
			err:  errors.New(cannot(err) + cause.Text),
			hint: append(cause.Fix, doctorHint),
		}
	}
	return err
}

// cannot returns the prefix of an error of the live source: what it prevents.
func cannot(err error) string {
	if errors.Is(err, bpf.ErrPackets) {
		return "cannot capture packets: "
	}
	return "cannot watch system calls: "
}
