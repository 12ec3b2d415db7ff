package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/verdicts"
	"github.com/pidwire/pidwire/internal/sink/versus"
	"github.com/pidwire/pidwire/internal/wire"
)

// whyHelp is the help of why, on all systems.
const whyHelp = `why names the cause of what is slow or failing, with what it cost, the lines that
show it, and what would help.

  pidwire why -- curl http://localhost/      a command
  pidwire why 1234 --for 10s                 a process
  pidwire why curl.pidwire                   recordings, captures, and output of other tools
  pidwire why good.pidwire bad.pidwire       what is different about the bad run

The exit code is 10 if there are problems, else that of the command. With -- COMMAND the
verdicts go to standard error, or with -o to a file.`

// verdicts writes verdicts only.
func (v *viewFlags) verdicts(out io.Writer, l notationOf) sink.Sink {
	return verdicts.New(out, verdicts.Options{Start: l.start, Markdown: v.md})
}

// addWhy adds the flags that only why has.
func (v *viewFlags) addWhy(verb string, f *pflag.FlagSet) {
	if verb == "why" {
		f.BoolVar(&v.md, "md", false, "Markdown, for the report of an issue")
	}
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

// recording reports whether a file of the command line is one of pidwire.
func (a *app) recording(name string) bool {
	if _, regular := a.sizeOf(name); !regular {
		return false // what is read of it would be gone
	}
	f, err := a.openFile(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [len(wire.Magic)]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == wire.Magic
}

// compare is why for a good and a bad run.
func (a *app) compare(parent context.Context, in *filesFlags, names []string) error {
	runs := make([]*versus.Run, len(names))
	for i, name := range names {
		runs[i] = versus.New(name)
		_, err := a.replay(parent, in, names[i:i+1], func(cfg *pipeline.Config, _ wire.Header) error {
			cfg.Messages, cfg.Verdicts, cfg.Sinks = true, true, append(cfg.Sinks, runs[i])
			return nil
		})
		if err != nil {
			return err
		}
	}
	if runs[1].Problems() > 0 {
		a.code = exitProblems
	}
	return versus.Compare(a.stdout, runs[0], runs[1])
}
