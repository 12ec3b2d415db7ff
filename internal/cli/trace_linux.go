package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/source/audit"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/target"
	"github.com/pidwire/pidwire/internal/wire"
)

// liveCommands are the verbs that need this machine's kernel.
func (a *app) liveCommands() []*cobra.Command {
	return []*cobra.Command{a.traceCommand(), a.doctorCommand(), a.demoCommand(), a.kernelCommand(), a.auditRuleCommand()}
}

// traceFlags are those of a live run.
type traceFlags struct {
	view    viewFlags
	pids    []string
	users   []string
	layers  []string
	snaplen uint32

	functions []string
	engine    string

	auditWait, auditUnicast bool
	noFollow                bool
	follow                  int
	write                   writeFlags
	print                   bool
	asUser                  string
	span                    time.Duration
}

func (a *app) traceCommand() *cobra.Command {
	var t traceFlags
	cmd := &cobra.Command{
		Use:   "trace [TARGET...] [flags] [-- COMMAND [ARG...]]",
		Short: "show the network system calls and packets of processes as lines (the default verb)",
		Long: `trace shows what processes do on sockets, as strace reads, without stopping them,
and with -l sys,pkt or -l pkt their packets, as tcpdump reads.

  pidwire trace -- curl http://localhost/    a command, from its first call
  pidwire trace -p 1234                      a process, its threads and children
  pidwire trace :8080 -e %net -Z             failed calls of whoever holds port 8080
  pidwire trace 'py*' -w py.pidwire          record; read with pidwire open py.pidwire
  pidwire trace unit:nginx.service -c        a table at the end
  pidwire trace 1234 -l pkt --pcap-filter 'tcp port 443'
  pidwire trace 1234 -l sys,pkt -w x.pcapng  for Wireshark: calls between the packets
  pidwire trace 1234 -l krn                  calls, and under each what the kernel did for it
  pidwire trace all --drops                  what the kernel dropped, why and where
  pidwire trace 1234 -l sys,aud              calls, and what Linux audit says of each

With -- COMMAND the lines go to standard error, as with strace; -o - puts them
on standard output. With -w - the command's own output goes to standard error.`,
		Args: cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVarP(&t.pids, "pid", "p", nil, "attach to `PID` (repeat, or a list)")
	f.StringArrayVar(&t.users, "user", nil, "every process of `USER`, as @USER")
	f.StringVarP(&t.asUser, "username", "u", "", "run COMMAND as `USER`")
	f.CountVarP(&t.follow, "follow-forks", "f", "follow children (the default)")
	f.BoolVar(&t.noFollow, "no-follow", false, "do not follow children")
	f.StringSliceVarP(&t.layers, "layers", "l", []string{"sys"}, "which `LAYERS`: sys, pkt, krn, aud; krn brings sys")
	f.StringArrayVar(&t.functions, "functions", nil, "the functions of --tree: `PATTERN` is a glob ('tcp_*'), '*@net/socket.c', or socket, the default set (repeat)")
	f.StringVar(&t.engine, "engine", "", "what tells of the functions of --tree: `ENGINE` kprobe, function_graph or stacks (default: the first of them that works here)")
	f.BoolVar(&t.auditWait, "audit-wait", false, "layer aud: a full queue makes the target wait, so that no record is lost")
	f.BoolVar(&t.auditUnicast, "audit-unicast", false, "layer aud: take the records as audit's daemon, if none runs")
	f.Uint32Var(&t.snaplen, "snaplen", 0, "bytes kept of each packet (default 256, into a recording 65535)")
	t.write.add(f)
	f.BoolVar(&t.print, "print", false, "with -w: print the lines too")
	f.DurationVar(&t.span, "for", 0, "end after so long: 10s, 5m")
	t.view.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var argv []string
		if n := cmd.ArgsLenAtDash(); n >= 0 {
			if args, argv = args[:n], args[n:]; len(argv) == 0 {
				return usageError("no command behind --")
			}
		}
		return a.trace(cmd, &t, args, argv)
	}
	cmd.ValidArgsFunction = completeTargets
	return cmd
}

func (a *app) trace(cmd *cobra.Command, t *traceFlags, names, argv []string) error {
	if err := t.view.parse(); err != nil {
		return err
	}
	if err := t.checkLayers(cmd); err != nil {
		return err
	}
	if err := t.write.check(slices.Contains(t.layers, "pkt")); err != nil {
		return err
	}
	if t.view.summary && !t.view.drops && !slices.Contains(t.layers, "sys") {
		return usageError("-c is a table of calls: it needs layer sys")
	}
	if (t.auditWait || t.auditUnicast) && !slices.Contains(t.layers, "aud") {
		return usageError("--audit-wait and --audit-unicast are about audit: they need layer aud, as in -l sys,aud")
	}
	if t.snaplen != 0 && !slices.Contains(t.layers, "pkt") {
		return usageError("--snaplen is about packets: it needs layer pkt, as in -l sys,pkt")
	}
	if t.view.filter != "" && !slices.Contains(t.layers, "pkt") {
		return usageError("--pcap-filter is about packets: it needs layer pkt, as in -l sys,pkt")
	}
	if t.asUser != "" && len(argv) == 0 {
		return usageError("-u %s runs a COMMAND as that user; to watch a user's processes say @%s", t.asUser, t.asUser)
	}
	targets, err := a.targets(cmd, t.pids, t.users, names)
	if err != nil {
		return err
	}
	if len(targets) == 0 && len(argv) == 0 {
		return usageError("no target: name a process, a pid, @user, :port or all, or -- COMMAND")
	}
	live := liveRun{app: a, t: t, targets: targets, argv: argv}
	return live.run(cmd.Context())
}

// snapLength is what is kept of a packet: what a line needs, or all for a file.
func (t *traceFlags) snapLength() uint32 {
	const line = 256
	switch {
	case t.snaplen != 0:
		return min(t.snaplen, bpf.MaxSnaplen)
	case t.write.file != "":
		return bpf.MaxSnaplen
	}
	return line
}

// checkLayers tells a mistake. Layer krn brings the calls, which what the
// kernel does stands under; --drops is all of it that is wanted.
func (t *traceFlags) checkLayers(cmd *cobra.Command) error {
	if len(t.layers) == 0 {
		return usageError("-l names no layer (sys, pkt, krn, aud)")
	}
	for _, l := range t.layers {
		if !slices.Contains([]string{"sys", "pkt", "krn", "aud"}, l) {
			return usageError("no layer %q (sys, pkt, krn, aud)", l)
		}
	}
	switch {
	case t.engine == "":
	case !slices.Contains(bpf.Engines, t.engine):
		return usageError("no engine %q (%s)", t.engine, strings.Join(bpf.Engines, ", "))
	case t.engine == bpf.EngineStacks && len(t.functions) > 0:
		return usageError("--engine stacks shows whatever functions are on the stacks: leave out --functions")
	}
	t.view.tree = t.view.tree || len(t.functions) > 0 || t.engine != ""
	if (t.view.tree || t.view.stacks) && !t.view.drops && !slices.Contains(t.layers, "krn") {
		t.layers = append(t.layers, "krn")
	}
	switch {
	case t.view.drops:
		if cmd.Flags().Changed("layers") && !slices.Equal(t.layers, []string{"krn"}) {
			return usageError("--drops shows nothing but drops, of layer krn: leave out -l")
		}
		if t.view.tree {
			return usageError("--drops shows nothing but drops: leave out --tree, --functions and --engine (-k shows where they were)")
		}
		t.layers = []string{"krn"}
	case slices.Contains(t.layers, "krn") && !slices.Contains(t.layers, "sys"):
		t.layers = append(t.layers, "sys")
	}
	return nil
}

func (a *app) targets(cmd *cobra.Command, pids, users, names []string) ([]proc.Target, error) {
	var targets []proc.Target
	for _, p := range pids {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return nil, usageError("-p %s: not a process id", p)
		}
	}
	for _, text := range slices.Concat(pids, names) {
		tgt, err := target.Parse(proc.Default, text)
		if err != nil {
			return nil, err
		}
		if tgt.Name != "" && tgt.User == "" {
			if err := a.checkName(cmd, &tgt); err != nil {
				return nil, err
			}
		}
		targets = append(targets, tgt)
	}
	for _, u := range users {
		tgt, err := target.User(proc.Default, u)
		if err != nil {
			return nil, err
		}
		targets = append(targets, tgt)
	}
	return targets, nil
}

// checkName tells a mistyped verb from a process that is to start later.
func (a *app) checkName(cmd *cobra.Command, t *proc.Target) error {
	pids, err := proc.Default.PIDs()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		p, err := proc.Default.Read(pid)
		if err == nil && t.Match(p) {
			return nil
		}
	}
	if v := nearest(t.Name, verbs(cmd.Root())); v != "" {
		return &exitError{
			code: exitNoTarget, err: fmt.Errorf("no process named %s", t.Name),
			hint: []string{fmt.Sprintf("did you mean the verb %s? (to wait for a process of that name: '%s*')", v, t.Name)},
		}
	}
	fmt.Fprintf(a.stderr, "pidwire: no process named %s yet: waiting for one\n", t.Name)
	return nil
}

// liveRun is one live run: what is watched, and where it goes.
type liveRun struct {
	app     *app
	t       *traceFlags
	targets []proc.Target
	argv    []string
	stdin   io.Reader // of the command; nil: the app's
}

// memoryLimit is what Go's memory is kept to while watching: the collector works
// harder before it is passed. With the ring, which is mapped beside it, a run
// stays below 64 MiB. GOMEMLIMIT in the environment has the last word.
const memoryLimit = 36 << 20

func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

func (l *liveRun) run(parent context.Context) error {
	a, t := l.app, l.t
	limitMemory()
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends us at once
	if t.span > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.span)
		defer cancel()
	}

	var aud *audit.Source
	if slices.Contains(t.layers, "aud") {
		// Before the command is born: audit sees who is born while it is on.
		var err error
		if aud, err = audit.Open(audit.Options{Follow: !t.noFollow, Wait: t.auditWait, Unicast: t.auditUnicast}); err != nil {
			return explain(err)
		}
		defer func() {
			if err := aud.Close(); err != nil {
				fmt.Fprintf(a.stderr, "pidwire: %v; pidwire doctor --clean tries again\n", err)
			}
		}()
	}
	var child *command
	if len(l.argv) > 0 {
		stdin := l.stdin
		if stdin == nil {
			stdin = a.stdin
		}
		stdout := a.stdout
		if t.write.file == "-" {
			stdout = a.stderr // ours is the file's
		}
		var err error
		if child, err = startCommand(l.argv, t.asUser, stdin, stdout, a.stderr); err != nil {
			return err
		}
		defer child.abandon()
	}

	opts := bpf.Options{
		Config: bpf.Config{
			Self: uint32(os.Getpid()), Follow: !t.noFollow,
			StrLen: uint32(t.view.strlen), Calls: t.view.sel.wants,
			NoCalls: !slices.Contains(t.layers, "sys"), Audit: aud != nil, Packets: slices.Contains(t.layers, "pkt"), Snaplen: t.snapLength(),
			Kernel: slices.Contains(t.layers, "krn"), Drops: t.view.drops, Tree: t.view.tree, Stacks: t.view.stacks, Functions: t.functions, Engine: t.engine,
			Filter: t.view.match,
		},
		Targets: l.targets, Command: l.argv, Tool: Version,
		Endless: slices.ContainsFunc(l.targets, func(t proc.Target) bool { return t.Later() }),
	}
	if child != nil {
		opts.Targets = append(slices.Clone(l.targets), proc.Target{Text: strings.Join(l.argv, " "), PID: child.pid()})
	}
	if t.view.strlen > 4096 && !opts.Packets {
		// A record may be 64 KiB long. With packets, which may be as long, the
		// memory is needed behind the ring.
		opts.RingBytes = 2 * bpf.DefaultRing
	}
	if aud != nil {
		opts.Joined, opts.Left = aud.Watch, aud.Ended
	}
	src, err := bpf.New(opts)
	if err != nil {
		return explain(err)
	}
	defer func() {
		if err := src.Close(); err != nil {
			fmt.Fprintf(a.stderr, "pidwire: %v; pidwire doctor --clean tries again\n", err)
		}
	}()

	// A recording must not wait for whoever reads the lines; without one the
	// ring takes up what they cannot read yet, and the kernel counts the rest.
	cfg := pipeline.Config{Source: src, Keep: t.view.keep(src.Header()), Limit: t.view.count, Wait: t.write.file == ""}
	if opts.Packets || opts.Kernel || aud != nil {
		cfg.Clock = bpf.Clock
	}
	if aud != nil {
		cfg.Source = &audit.Both{Main: src, Audit: aud}
	}
	out, err := l.outputs(&cfg, src.Header(), child != nil)
	defer func() { _ = out.close() }()
	if err != nil {
		return err
	}
	if e := src.Engine(); e != "" && !t.view.quiet {
		fmt.Fprintf(a.stderr, "pidwire: tree by %s\n", e)
	}
	if t.view.json || t.view.summary || len(cfg.Sinks) == 0 {
		// Lines say it on the timeline; here there are none.
		for _, m := range src.Missing() {
			fmt.Fprintf(a.stderr, "pidwire: %s\n", clean.Text(m))
		}
	}
	if child != nil {
		src.Started = child.letGo
	} else if !t.view.quiet {
		src.Started = func() error {
			fmt.Fprintf(a.stderr, "pidwire: watching %s; Ctrl-C ends it\n", describe(src.Watched()))
			return nil
		}
	}
	if aud != nil {
		src.Started = l.auditStarted(src, aud, src.Started)
	}
	began := time.Now()
	res, err := pipeline.Run(ctx, cfg)
	if errors.Is(err, rotate.ErrDone) {
		err = nil // -W files are full
	}
	if err = errors.Join(err, out.close()); err != nil {
		return explain(err)
	}
	out.told(a)
	if !t.view.quiet {
		a.counts(res, time.Since(began), t.view.drops)
	}
	if child != nil {
		select {
		case a.code = <-child.exit:
		case <-time.After(commandGrace):
			// We were told to stop; the command goes on by itself.
		}
	}
	if t.view.strict && lostAny(res) {
		a.code = exitLost
	}
	return nil
}

// commandGrace is how long the exit code of the command is waited for after
// its last process has ended.
const commandGrace = 200 * time.Millisecond

// outputs adds the file and the sinks that the flags ask for.
func (l *liveRun) outputs(cfg *pipeline.Config, h wire.Header, hasCommand bool) (*writer, error) {
	a, t := l.app, l.t
	out, err := t.write.open(a, cfg, h, t.snapLength(), t.view.filter)
	if err != nil {
		return out, err
	}
	if t.write.file != "" && !t.print && t.view.output == "" && !t.view.json && !t.view.summary {
		return out, nil
	}
	lines := a.stdout
	if hasCommand {
		lines = a.stderr
	}
	s, closeOut, err := t.view.sink(a, lines, h)
	if err != nil {
		return out, err
	}
	cfg.Sinks = append(cfg.Sinks, s)
	out.closers = append(out.closers, closeOut)
	return out, nil
}

// describe names what is watched: the first few, and how many more.
func describe(procs []*proc.Process) string {
	if len(procs) == 0 {
		return "for processes that start"
	}
	const most = 4
	var names []string
	for i, p := range procs {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(procs)-most))
			break
		}
		names = append(names, fmt.Sprintf("%s[%d]", clean.Text(p.Comm), p.PID))
	}
	return strings.Join(names, ", ")
}
