package strace

import "fmt"

// dump returns all fields of a line as text, for comparison.
func dump(l *Line) string {
	c := *l
	clear(c.args[c.nargs:])
	clear(c.notes[c.nnotes:])
	return fmt.Sprintf("%q %+v", []any{
		c.Args(), c.Notes(), c.Name, c.Text, c.Mark, c.RetText, c.Errno, c.ErrText, c.Comm, c.Context,
		c.Time.Text, c.Delta.Text, c.Dur.Text, c.EndTime.Text, c.EndDelta.Text,
		c.pidText, c.pidPad, c.deltaPad, c.nrText, c.ipText, c.lead, c.markPad, c.resPad, c.trail,
	}, []any{
		c.Kind, c.PID, c.Time.NS, c.Time.Clock, c.Delta.NS, c.Delta.Clock, c.Dur.NS, c.Dur.Clock, c.Nr, c.IP,
		c.Code, c.Core, c.Stopped, c.HasResult, c.HasValue, c.Ret, c.Injected, c.Delayed,
		c.pidForm, c.commForm, c.deltaIn, c.noClose, c.nargs, c.nnotes,
	})
}
