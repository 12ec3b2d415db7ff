package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) storyCommand() *cobra.Command {
	var t traceFlags
	var in filesFlags
	var files bool
	cmd := &cobra.Command{
		Use:   "story [TARGET... | FILE...] [flags] [-- COMMAND [ARG...]]",
		Short: "print look-ups, connections, requests with their answers, and failures only, a line each",
		Long:  storyHelp,
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
	in.add(f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var argv []string
		if n := cmd.ArgsLenAtDash(); n >= 0 {
			if args, argv = args[:n], args[n:]; len(argv) == 0 {
				return usageError("no command after --")
			}
		}
		if len(argv) == 0 && len(t.pids) == 0 && len(t.users) == 0 && (files || storyFiles(args)) {
			if at := slices.Index(a.args, "story"); !files && at >= 0 {
				// The other process may not see the files before they are opened for it.
				a.args = slices.Insert(slices.Clone(a.args), at+1, "--files")
			}
			return a.tellFiles(cmd, &t.view, &in, args)
		}
		if err := missingFile(args); err != nil && a.outside() {
			return err
		}
		t.layers, t.view.format = []string{"sys", "pkt", "msg"}, "story"
		return a.trace(cmd, &t, args, argv)
	}
	cmd.ValidArgsFunction = completeTargets
	return cmd
}
