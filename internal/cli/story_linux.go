package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) storyCommand() *cobra.Command {
	return a.toldCommand(told{
		verb: "story", short: "print look-ups, connections, requests with their answers, and failures only, a line each", long: storyHelp,
		layers: []string{"sys", "pkt", "msg"}, files: a.tellFiles,
	})
}

func (a *app) whyCommand() *cobra.Command {
	return a.toldCommand(told{
		verb: "why", short: "name the cause of what is slow or failing", long: whyHelp,
		layers: []string{"sys", "pkt", "krn", "msg"}, files: a.judgeFiles,
	})
}

// told is a command that watches or reads files, and does not show events.
type told struct {
	verb, short, long string
	layers            []string // when it watches
	files             func(*cobra.Command, *viewFlags, *filesFlags, []string) error
}

func (a *app) toldCommand(c told) *cobra.Command {
	var t traceFlags
	var in filesFlags
	var files bool
	cmd := &cobra.Command{
		Use:   c.verb + " [TARGET... | FILE...] [flags] [-- COMMAND [ARG...]]",
		Short: c.short,
		Long:  c.long,
		Args:  cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVarP(&t.pids, "pid", "p", nil, "attach to `PID` (repeatable, or a list)")
	f.StringArrayVar(&t.users, "user", nil, "all processes of `USER`, same as @USER")
	f.StringVarP(&t.asUser, "username", "u", "", "run COMMAND as `USER`")
	f.BoolVar(&t.noFollow, "no-follow", false, "do not follow children")
	f.StringVar(&t.said, "payload", "", "record the first `BYTES` of each direction of a connection (default 16KiB)")
	f.DurationVar(&t.span, "for", 0, "stop after this time: 10s, 5m")
	f.StringVarP(&t.buffer, "buffer", "B", "", "size of the ring buffer: `KIB`, or with a unit, such as 64MiB")
	f.BoolVar(&files, "files", false, "the arguments are files")
	_ = f.MarkHidden("files")
	t.view.add(cmd)
	t.view.addWhy(c.verb, f)
	in.add(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var argv []string
		if n := cmd.ArgsLenAtDash(); n >= 0 {
			if args, argv = args[:n], args[n:]; len(argv) == 0 {
				return usageError("no command after --")
			}
		}
		if len(argv) == 0 && len(t.pids) == 0 && len(t.users) == 0 && (files || storyFiles(args)) {
			if at := slices.Index(a.args, c.verb); !files && at >= 0 {
				// The other process may not see the files before they are opened for it.
				a.args = slices.Insert(slices.Clone(a.args), at+1, "--files")
			}
			return c.files(cmd, &t.view, &in, args)
		}
		if err := missingFile(c.verb, args); err != nil && a.outside() {
			return err
		}
		t.layers, t.view.format = slices.Clone(c.layers), c.verb
		return a.trace(cmd, &t, args, argv)
	}
	cmd.ValidArgsFunction = completeTargets
	return cmd
}
