package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/collect"
	"github.com/pidwire/pidwire/internal/pipeline"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/sandbox"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/sink/rotate"
	"github.com/pidwire/pidwire/internal/source/audit"
	"github.com/pidwire/pidwire/internal/source/bpf"
	"github.com/pidwire/pidwire/internal/source/elfsyms"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/target"
	"github.com/pidwire/pidwire/internal/why"
	"github.com/pidwire/pidwire/internal/wire"
)

// liveCommands returns the verbs that use the kernel of this machine.
func (a *app) liveCommands() []*cobra.Command {
	return []*cobra.Command{a.traceCommand(), a.doctorCommand(), a.demoCommand(), a.kernelCommand(), a.auditRuleCommand(), a.storyCommand(), a.whyCommand()}
}

// traceFlags are the flags of a live run.
type traceFlags struct {
	view    viewFlags
	pids    []string
	users   []string
	layers  []string
	said    string // --payload
	payload uint32 // of layer msg, as parsed
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
	buffer                  string // --buffer
	ring                    uint32 // size of the ring buffer, in bytes
}

func (a *app) traceCommand() *cobra.Command {
	var t traceFlags
	cmd := &cobra.Command{
		Use:   "trace [TARGET...] [flags] [-- COMMAND [ARG...]]",
		Short: "show network system calls and packets of processes as lines (the default command)",
		Long: `trace shows the socket calls of processes in the notation of strace, without stopping
them, and with -l sys,pkt or -l pkt their packets in the notation of tcpdump.

  pidwire trace -- curl http://localhost/    a command, from its first call
  pidwire trace -p 1234                      a process, its threads and children
  pidwire trace :8080 -e %net -Z             failed calls of the process that holds port 8080
  pidwire trace 'py*' -w py.pidwire          record; read with pidwire open py.pidwire
  pidwire trace unit:nginx.service -c        a table at the end
  pidwire trace 1234 -l pkt --pcap-filter 'tcp port 443'
  pidwire trace 1234 -l sys,pkt -w x.pcapng  for Wireshark: calls between the packets
  pidwire trace 1234 -l msg                  requests and answers, with their times: also pidwire story
  pidwire trace 1234 -l krn                  calls, each with the kernel events that it caused
  pidwire trace all --drops                  dropped packets, with reason and function
  pidwire trace 1234 -l sys,aud              calls, each with its audit record

A line is TIME NAME[PID/TID] CONN LAYER TEXT. NAME is the name of the process, in which blanks, brackets
and control characters are escaped (\x20, \x5b, \u202e), so that it cannot look like another column.
NAME is preceded by ~ if the owner is inherited from the listener, or shares the socket with others,
and by ? if it is a guess. TIME is followed by ~ if it is approximate.

With -- COMMAND the lines go to standard error, as with strace, or with -o - to standard
output. With -w - the output of the command goes to standard error.`,
		Args: cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVarP(&t.pids, "pid", "p", nil, "attach to `PID` (repeatable, or a list)")
	f.StringArrayVar(&t.users, "user", nil, "all processes of `USER`, same as @USER")
	f.StringVarP(&t.asUser, "username", "u", "", "run COMMAND as `USER`")
	f.CountVarP(&t.follow, "follow-forks", "f", "follow children (the default)")
	f.BoolVar(&t.noFollow, "no-follow", false, "do not follow children")
	f.StringSliceVarP(&t.layers, "layers", "l", nil, "`LAYERS` to show: sys, pkt, msg, krn, aud; krn includes sys, and msg is made of sys and pkt (default sys,pkt,msg; what selects or shows calls only, as -e trace=, -Z, --tree or --format strace: sys; -e msg=: msg)")
	f.StringArrayVar(&t.functions, "functions", nil, "trace functions that match `PATTERN`: a glob ('tcp_*'), '*@net/socket.c', or socket, the default set (repeatable)")
	f.StringVar(&t.engine, "engine", "", "trace functions with `ENGINE` kprobe, function_graph or stacks (default: the first that works here)")
	f.BoolVar(&t.auditWait, "audit-wait", false, "layer aud: block the target when the queue is full, so that no record is lost")
	f.BoolVar(&t.auditUnicast, "audit-unicast", false, "layer aud: receive the records as the audit daemon, if none is running")
	f.Uint32Var(&t.snaplen, "snaplen", 0, "maximum bytes captured of each packet (default 256; with -w FILE.pcapng or FILE.pcap, or without layer sys, 65535)")
	f.StringVar(&t.said, "payload", "", "layer msg, and recordings of calls and packets: record the first `BYTES` of each direction of a connection, and a quarter of this after each change of direction (default 16KiB); none: only what -s shows, and no other contents")
	t.write.add(f)
	f.BoolVar(&t.print, "print", false, "with -w: also print lines")
	f.DurationVar(&t.span, "for", 0, "stop after this time: 10s, 5m")
	f.StringVarP(&t.buffer, "buffer", "B", "", "size of the ring buffer: `KIB` as in tcpdump, or with a unit, such as 64MiB (default: depends on the memory of the machine and the limit of the cgroup, "+byteWords(ringOf(0))+" to "+byteWords(ringOf(1<<62))+")")
	t.view.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var argv []string
		if n := cmd.ArgsLenAtDash(); n >= 0 {
			if args, argv = args[:n], args[n:]; len(argv) == 0 {
				return usageError("no command after --")
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
		return usageError("-c needs layer sys")
	}
	if (t.auditWait || t.auditUnicast) && !slices.Contains(t.layers, "aud") {
		return usageError("--audit-wait and --audit-unicast need layer aud, as in -l sys,aud")
	}
	switch {
	case t.says():
		var err error
		if t.payload, err = payloadSize(t.said); err != nil {
			return err
		}
	case t.said != "":
		return usageError("--payload needs layer msg, as in -l sys,msg, or a recording of calls and packets")
	}
	if t.snaplen != 0 && !slices.Contains(t.layers, "pkt") {
		return usageError("--snaplen needs layer pkt, as in -l sys,pkt")
	}
	if t.view.filter != "" && !slices.Contains(t.layers, "pkt") {
		return usageError("--pcap-filter needs layer pkt, as in -l sys,pkt")
	}
	if t.asUser != "" && len(argv) == 0 {
		return usageError("-u %s needs a COMMAND to run as that user; to watch the user's processes, use @%s", t.asUser, t.asUser)
	}
	live := liveRun{app: a, t: t, argv: argv}
	if a.in != nil {
		return live.run(cmd.Context()) // the collector has found the targets
	}
	targets, err := a.targets(cmd, t.pids, t.users, names)
	if err != nil {
		return err
	}
	if len(targets) == 0 && len(argv) == 0 {
		return usageError("no target: name a process, a pid, @user, :port or all, or -- COMMAND")
	}
	live.targets = targets
	return live.run(cmd.Context())
}

// says reports whether the beginnings of what is said are recorded: for messages, and for a recording of calls and packets,
// in which why looks for causes later.
func (t *traceFlags) says() bool {
	recorded := t.write.file != "" && t.write.kind(true) == recordingFile
	return slices.Contains(t.layers, "msg") || recorded && slices.Contains(t.layers, "sys") && slices.Contains(t.layers, "pkt")
}

// calls selects the calls that are recorded; nil: all, of which messages are made.
func (t *traceFlags) calls() func(string) bool {
	if slices.Contains(t.layers, "msg") {
		return nil
	}
	return t.view.sel.wants
}

// snapLength returns the number of bytes captured of a packet: enough for a line, or the maximum for files that other
// tools read, and for recordings without calls, which have the payload otherwise (docs/decisions/0017).
func (t *traceFlags) snapLength() uint32 {
	const line = 256
	switch {
	case t.snaplen != 0:
		return min(t.snaplen, bpf.MaxSnaplen)
	case t.write.file == "":
	case t.write.kind(true) != recordingFile, !slices.Contains(t.layers, "sys"):
		return bpf.MaxSnaplen
	}
	return line
}

// checkLayers checks and completes the layers. Layer krn implies sys, as kernel events are shown under
// the calls; --tree and -k imply krn; --drops shows only drops of layer krn.
func (t *traceFlags) checkLayers(cmd *cobra.Command) error {
	switch {
	case cmd.Flags().Lookup("layers") == nil: // the command has its own
	case !cmd.Flags().Changed("layers"):
		t.layers = t.view.usualLayers()
	case len(t.layers) == 0:
		return usageError("-l has no layer (%s)", strings.Join(layerNames, ", "))
	}
	if err := knownLayers(t.layers); err != nil {
		return err
	}
	if slices.Contains(t.layers, "msg") && !slices.Contains(t.layers, "sys") && !slices.Contains(t.layers, "pkt") {
		// Messages need what calls carry, and their times what packets say.
		_ = t.view.only(t.layers)
		t.view.layers["sys"] = t.view.layers["krn"]
		t.layers = append(t.layers, "sys", "pkt")
	}
	switch {
	case t.engine == "":
	case !slices.Contains(bpf.Engines, t.engine):
		return usageError("no engine %q (%s)", t.engine, strings.Join(bpf.Engines, ", "))
	case t.engine == bpf.EngineStacks && len(t.functions) > 0:
		return usageError("--engine stacks cannot select functions: remove --functions")
	}
	t.view.tree = t.view.tree || len(t.functions) > 0 || t.engine != ""
	if (t.view.tree || t.view.stacks) && !t.view.drops && !slices.Contains(t.layers, "krn") {
		t.layers = append(t.layers, "krn")
	}
	switch {
	case t.view.drops:
		if cmd.Flags().Changed("layers") && !slices.Equal(t.layers, []string{"krn"}) {
			return usageError("--drops only shows drops, which are in layer krn: remove -l")
		}
		if t.view.tree {
			return usageError("--drops only shows drops: remove --tree, --functions and --engine (-k shows their stacks)")
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

// checkName returns an error if no process has that name and it looks like a mistyped verb. Otherwise the run
// waits for such a process.
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
			hint: []string{fmt.Sprintf("did you mean the command %s? (to wait for a process of that name: '%s*')", v, t.Name)},
		}
	}
	fmt.Fprintf(a.stderr, "pidwire: no process named %s yet: waiting for one\n", t.Name)
	return nil
}

// liveRun is one live run: its targets, flags and command.
type liveRun struct {
	app     *app
	t       *traceFlags
	targets []proc.Target
	argv    []string
	stdin   io.Reader // of the command; nil for that of the app
}

// memoryLimit is the soft limit of Go's memory while watching: near it, the garbage
// collector runs more often. With it, each of the two processes
// stays below 64 MiB, the mapped ring not counted. GOMEMLIMIT in the environment overrides it.
const memoryLimit = 36 << 20

func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// limitMemoryTo is limitMemory for a process that keeps more, such as conversations: so many bytes.
func limitMemoryTo(more int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + more)
	}
}

// run does this process's part of the run: collect or view.
func (l *liveRun) run(parent context.Context) error {
	limitMemory()
	if l.app.in != nil {
		switch {
		case l.t.view.format == "why":
			limitMemoryTo(proto.Bytes + why.Bytes)
		case slices.Contains(l.t.layers, "msg"):
			limitMemoryTo(proto.Bytes)
		}
		return l.view(parent)
	}
	return l.collect(parent)
}

// collect watches, and sends the records to the unprivileged process, which prints them. It removes all that it
// has added to the kernel before it returns, no matter how that process ends.
func (l *liveRun) collect(parent context.Context) error {
	a, t := l.app, l.t
	var err error
	if t.ring, err = ringSize(t.buffer, slices.Contains(t.layers, "msg")); err != nil {
		return err
	}
	e := endingsOf(parent)
	defer e.stop()
	files := allowed{out: t.write, lines: t.view.output}
	rest, ctx, err := a.startRest(e, files, nil)
	if err != nil {
		return err
	}
	code, err := l.watch(ctx, rest, files)
	switch {
	case errors.Is(err, errRest):
		err = nil // the unprivileged process has printed the reason
	case err != nil && rest.Unsent() > 0:
		err = nil // it does not read any more, which finish reports
	case err != nil:
		// Killed, as otherwise it would only report that this process has failed.
		rest.Kill()
		return err
	}
	if c := rest.finish(); c != 0 {
		a.code = c
	} else {
		a.code = code
	}
	return err
}

// watch loads the programs, starts the command, and passes the records to rest. It returns the exit code of
// the command, after everything is removed from the kernel.
func (l *liveRun) watch(ctx context.Context, rest *over, files allowed) (code int, err error) {
	a, t := l.app, l.t
	defer rest.Cut() // no effect after End
	ctx, watching := spanOf(ctx, t.span)
	defer watching.stop()
	var aud *audit.Source
	if slices.Contains(t.layers, "aud") {
		// Before the command is started, as audit sees only processes that are created while it is enabled.
		if aud, err = audit.Open(audit.Options{Follow: !t.noFollow, Wait: t.auditWait, Unicast: t.auditUnicast}); err != nil {
			return 0, explain(err)
		}
		defer func() { a.reportClose(aud.Close()) }()
	}
	var child *command
	if len(l.argv) > 0 {
		if child, err = l.command(); err != nil {
			return 0, err
		}
		defer child.abandon()
	}
	// After the command was started, which keeps its own priority.
	hurry()
	// Garbage collection while the programs are loaded would free some 6 MB and take a fifth of the time.
	percent := debug.SetGCPercent(-1)
	defer debug.SetGCPercent(percent)
	src, err := collect.Open(l.options(rest, child, aud))
	if err != nil {
		return 0, explain(err)
	}
	defer func() { a.reportClose(src.Close()) }()
	rest.broker.live.Store(&src)
	var source pipeline.Source = src
	if aud != nil {
		source = &audit.Both{Main: src, Audit: aud}
	}
	if err := rest.Header(source.Header()); err != nil {
		return 0, errRest
	}
	src.OnStart(l.started(ctx, rest, src, aud, func() error {
		defer watching.begin()
		debug.SetGCPercent(percent)
		if err := sandbox.Collector(l.neededCaps(src, files)...); err != nil {
			fmt.Fprintf(a.stderr, "pidwire: %v\n", err)
		}
		if child != nil {
			return child.release()
		}
		if !t.view.quiet {
			fmt.Fprintf(a.stderr, "pidwire: watching %s; Ctrl-C ends it\n", describe(src.Watched()))
		}
		return nil
	}))
	if child != nil {
		child.waits(ctx)
	}
	err = source.Run(ctx, func(r wire.Record) error { return rest.Emit(r, collect.Clock) })
	if err != nil {
		if ctx.Err() != nil && errors.Is(context.Cause(ctx), errRest) {
			return 0, errRest
		}
		return 0, explain(err)
	}
	rest.End()
	return child.exitCode(ctx.Err() != nil), nil
}

// exitCode waits for the exit of the command, and returns its code. If the run was ended before the command, or if the
// command does not exit in time, it returns 0. child may be nil.
func (child *command) exitCode(ended bool) int {
	if child == nil {
		return 0
	}
	grace := commandEnds
	if ended {
		grace = commandGrace
	}
	select {
	case code := <-child.exit:
		return code
	case <-time.After(grace):
		return 0 // the command continues
	}
}

// reportClose prints an error of the removal of what a source put into the kernel.
func (a *app) reportClose(err error) {
	if err == nil {
		return
	}
	again := "; pidwire doctor --clean tries again"
	if errors.Is(err, ftrace.ErrInUse) {
		again = ""
	}
	a.sayInTime(fmt.Sprintf("pidwire: %v%s\n", err, again))
}

// span is the duration of a run that --for sets. It starts when the programs are attached, because loading takes
// longer on a busy machine.
type span struct {
	length time.Duration // 0: no limit
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// spanOf returns a context that is canceled at the end of the span.
func spanOf(parent context.Context, length time.Duration) (context.Context, *span) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, &span{length: length, cancel: cancel}
}

func (s *span) begin() {
	if s.length > 0 {
		s.timer = time.AfterFunc(s.length, func() { s.cancel(stopped{wire.EndLimit}) })
	}
}

func (s *span) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel(nil)
}

// started returns the function that is called after the last program is attached and before the first record is
// read. It calls begin last, after which nothing more is loaded.
func (l *liveRun) started(ctx context.Context, rest *over, src collect.Live, aud *audit.Source, begin func() error) func() error {
	a, t := l.app, l.t
	return func() error {
		if err := rest.ready(ctx); err != nil {
			return err
		}
		if e := src.Engine(); e != "" && !t.view.quiet {
			fmt.Fprintf(a.stderr, "pidwire: tree by %s\n", e)
		}
		if !l.hasLines() {
			// The lines of the timeline have these messages; here there are no lines.
			for _, m := range src.Missing() {
				fmt.Fprintf(a.stderr, "pidwire: %s\n", clean.Text(m))
			}
		}
		if aud != nil {
			l.auditStarted(src, aud)
		}
		return begin()
	}
}

// hasLines reports whether the timeline is shown as lines.
func (l *liveRun) hasLines() bool {
	t := l.t
	return !t.view.json && !t.view.summary && (t.write.file == "" || t.print || t.view.output != "")
}

// neededCaps returns the capabilities that a run needs after the programs are loaded.
func (l *liveRun) neededCaps(src collect.Live, files allowed) []uint {
	caps := append(keptCaps(files), src.NeededCaps()...)
	if slices.Contains(l.t.layers, "aud") {
		caps = append(caps, audit.NeededCaps...)
	}
	return caps
}

// command starts the command, which waits for release.
func (l *liveRun) command() (*command, error) {
	stdin := l.stdin
	if stdin == nil {
		stdin = l.app.stdin
	}
	stdout := l.app.stdout
	if l.t.write.file == "-" {
		stdout = l.app.stderr // the file is written to our stdout
	}
	return startCommand(l.argv, l.t.asUser, stdin, stdout, l.app.stderr)
}

// options returns the options of the source.
func (l *liveRun) options(rest *over, child *command, aud *audit.Source) collect.Options {
	t := l.t
	opts := collect.Options{
		Config: bpf.Config{
			Self: uint32(os.Getpid()), Follow: !t.noFollow,
			StrLen: uint32(t.view.strlen), Payload: t.payload, Calls: t.calls(),
			NoCalls: !slices.Contains(t.layers, "sys"), Env: slices.Contains(t.layers, "sys"), Audit: aud != nil, Packets: slices.Contains(t.layers, "pkt"), Snaplen: t.snapLength(),
			Kernel: slices.Contains(t.layers, "krn"), Drops: t.view.drops, Tree: t.view.tree, Stacks: t.view.stacks, Functions: t.functions, Engine: t.engine,
			Filter: t.view.match,
		},
		Targets: l.targets, Command: l.argv, Tool: Version, Never: []uint32{uint32(rest.PID())},
		Endless: slices.ContainsFunc(l.targets, func(t proc.Target) bool { return t.Later() }),
		Lazy:    !l.hasLines() && !t.view.json && t.write.file != "-",
	}
	opts.Messages = wire.WithoutMessages
	if slices.Contains(t.layers, "msg") {
		opts.Messages = wire.WithMessages
	}
	if child != nil {
		opts.Targets = append(slices.Clone(l.targets), proc.Target{Text: strings.Join(l.argv, " "), PID: child.pid()})
	}
	opts.RingBytes = t.ring
	if aud != nil {
		opts.Joined, opts.Left = aud.Watch, aud.Ended
	}
	return opts
}

// view prints and writes the records that the collector sends.
func (l *liveRun) view(parent context.Context) error {
	a, t := l.app, l.t
	src, err := a.stream()
	if src == nil {
		return err
	}
	h := src.Header()
	// A recording must not be delayed by a slow reader of the lines. Without a recording,
	// records that are not read yet stay in the ring, and those that do not fit are counted as lost.
	named := &elfsyms.Named{Source: src, Module: a.in.Module}
	cfg := pipeline.Config{Source: named, Messages: slices.Contains(t.layers, "msg"), Secrets: t.view.secrets, Numeric: t.view.numeric, Keep: t.view.keep(h), Limit: t.view.count, Wait: t.write.file == "", Wrote: a.in.Beat}
	if h.Layers&^(1<<wire.LayerSys) != 0 {
		cfg.Clock = src.Clock
	}
	problems := 0
	out, err := l.outputs(&cfg, h, len(l.argv) > 0, &problems)
	defer func() { _ = out.close() }()
	if err != nil {
		return err
	}
	a.confine(t.view.resolve && !t.view.numeric)
	if err := a.in.Ready(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(parent)
	defer stop()
	if f, ok := l.reads().(*os.File); ok {
		go whenUnread(ctx, f, stop)
	}
	began := time.Now()
	res, err := pipeline.Run(ctx, cfg)
	if errors.Is(err, rotate.ErrDone) {
		err = nil // -W files are full
	}
	if err = errors.Join(err, out.close()); err != nil {
		return err
	}
	out.reportLeftOut(a)
	if problems > 0 {
		a.code = exitProblems
	}
	if !t.view.quiet && (t.view.format != "why" || lostAny(res)) { // why shows no events, but losses count
		a.counts(res, time.Since(began), t.view.drops)
	}
	if t.view.strict && lostAny(res) {
		a.code = exitLost
	}
	return nil
}

const (
	// commandGrace is how long to wait for the exit code of the command after the run was ended: the
	// same signal may have ended the command.
	commandGrace = 200 * time.Millisecond
	// commandEnds is the same if its last process has exited: the exit code is available as soon as a CPU is.
	commandEnds = 10 * time.Second
)

// reads returns the stream on which the output appears while it is made, or nil if it goes to files.
func (l *liveRun) reads() io.Writer {
	t := l.t
	switch {
	case t.write.file == "-":
		return l.app.stdout
	case t.write.file != "" || t.view.output != "" || !l.hasLines() && !t.view.json:
		return nil
	case len(l.argv) > 0:
		return l.app.stderr
	}
	return l.app.stdout
}

// whenUnread calls gone when the reader of f, a pipe or a terminal, has closed it. While the watched process is idle,
// no write would fail with EPIPE, and the attached programs would go on costing other processes time.
func whenUnread(ctx context.Context, f *os.File, gone func()) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		unread := false
		err := conn.Control(func(fd uintptr) {
			p := []unix.PollFd{{Fd: int32(fd)}} // POLLERR and POLLHUP are always reported
			n, err := unix.Poll(p, 0)
			unread = err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
		})
		if unread {
			gone()
		}
		if unread || err != nil {
			return
		}
	}
}

// outputs adds the file and the sinks that the flags request.
func (l *liveRun) outputs(cfg *pipeline.Config, h wire.Header, hasCommand bool, problems *int) (*writer, error) {
	a, t := l.app, l.t
	out, err := t.write.open(a, cfg, h, t.snapLength(), t.view.filter)
	if err != nil {
		return out, err
	}
	if !l.hasLines() && !t.view.json && !t.view.summary {
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
	if t.view.format == "why" {
		cfg.Messages, cfg.Verdicts = true, true
		s = &judged{Sink: s, problems: problems}
	}
	cfg.Sinks = append(cfg.Sinks, s)
	out.closers = append(out.closers, closeOut)
	return out, nil
}

// describe lists the first few of the watched processes, and how many more there are.
func describe(procs []*proc.Process) string {
	if len(procs) == 0 {
		return "for new processes"
	}
	const most = 4
	var names []string
	for i, p := range procs {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(procs)-most))
			break
		}
		names = append(names, fmt.Sprintf("%s[%d]", clean.Name(p.Comm), p.PID))
	}
	return strings.Join(names, ", ")
}
