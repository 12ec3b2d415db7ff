package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/verdicts"
)

// whyHelp is the help of why, on all systems.
const whyHelp = `why names the cause of what is slow or failing, with what it cost, the lines that
show it, and what would help.

  pidwire why -- curl http://localhost/      a command
  pidwire why 1234 --for 10s                 a process
  pidwire why curl.pidwire                   recordings, captures, and output of other tools

The exit code is 10 if there are problems, else that of the command. With -- COMMAND the
verdicts go to standard error, or with -o to a file.`

// verdicts writes verdicts only.
func (v *viewFlags) verdicts(out io.Writer, l notationOf) sink.Sink {
	return verdicts.New(out, verdicts.Options{Start: l.start})
}

// partial returns a flag that leaves out what is judged, or shows something else than verdicts; empty if there is none.
func (v *viewFlags) partial() string {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"-c", v.summary}, {"-e", len(v.expr) > 0}, {"-Z", v.failed}, {"-z", v.success}, {"--pcap-filter", v.filter != ""},
		{"--drops", v.drops}, {"--tree", v.tree}, {"-k", v.stacks},
	} {
		if f.set {
			return f.name
		}
	}
	return ""
}

// judged counts the problems that pass a sink.
type judged struct {
	sink.Sink
	problems *int
}

func (s *judged) Write(e *event.Entry) error {
	if v, ok := e.Body.(*event.Verdict); ok && v.Severity != event.Info {
		*s.problems++
	}
	return s.Sink.Write(e)
}

// judgeFiles is why for files.
func (a *app) judgeFiles(cmd *cobra.Command, v *viewFlags, in *filesFlags, args []string) error {
	v.format = "why"
	in.resolve, in.quiet, in.lines = v.resolve && !v.numeric, true, v.output == ""
	v.quiet = true
	return a.open(cmd.Context(), v, &writeFlags{}, in, args)
}
