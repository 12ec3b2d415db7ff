package live

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// tracepoint returns the prototype of a tracepoint of the running kernel, or nil.
func tracepoint(t *testing.T, name string) *btf.FuncProto {
	t.Helper()
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	var d *btf.Typedef
	if spec.TypeByName("btf_trace_"+name, &d) != nil {
		return nil
	}
	return d.Type.(*btf.Pointer).Target.(*btf.FuncProto)
}

var reasonWord = regexp.MustCompile(` reason=\S+`)

// expected parses the kernel events that a program expects, as the words that each line must have:
//
//	#krn WORDS      a line of layer krn has all of them
//	#krn?TP WORDS   if the kernel has the tracepoint TP; TP/N: with at least N arguments
//	#krn~WORDS      without reason=... if the kernel has no reasons for drops
func expected(t *testing.T, said []byte) (want [][]string) {
	t.Helper()
	reasons := len(tracepoint(t, "kfree_skb").Params) > 3
	for l := range strings.Lines(string(said)) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(l, "\n"), "#krn")
		if !ok {
			continue
		}
		switch rest[0] {
		case '?':
			var tp string
			tp, rest, _ = strings.Cut(rest[1:], " ")
			name, least, _ := strings.Cut(tp, "/")
			n, _ := strconv.Atoi(least)
			// The first parameter is the context of the program.
			if p := tracepoint(t, name); p == nil || len(p.Params)-1 < n {
				t.Logf("not here: %s", tp)
				continue
			}
		case '~':
			if rest = rest[1:]; !reasons {
				rest = reasonWord.ReplaceAllString(" "+rest, "")
			}
		}
		// The text after # is one word.
		words, aside, _ := strings.Cut(rest, "# ")
		set := strings.Fields(words)
		if aside != "" {
			set = append(set, aside)
		}
		want = append(want, set)
	}
	return want
}

func hasAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// krnLines returns the lines of layer krn.
func krnLines(shown []byte) (lines []string) {
	for l := range strings.Lines(string(shown)) {
		if strings.Contains(l, " krn  ") {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
	}
	return lines
}

// TestKernel compares layer krn with programs whose kernel events are known.
func TestKernel(t *testing.T) {
	needRoot(t)
	var together map[string]*outcome
	if built != "" {
		together = watchEach(t, isKernel, "-l", "krn")
	}
	n := 0
	for _, p := range programs(t) {
		if !isKernel(p) {
			continue
		}
		n++
		t.Run(p.name, func(t *testing.T) {
			var said, shown []byte
			if o := together[p.name+"/64"]; o != nil {
				said, shown = o.result(t)
			} else {
				said, shown = watch(t, build(t, p.name, "64"), "-l", "krn")
			}
			lines := krnLines(shown)
			want := expected(t, said)
			if len(want) < 3 {
				t.Fatalf("the program expects only %d lines", len(want))
			}
			for _, w := range want {
				found := false
				for i, l := range lines {
					if hasAll(l, w) {
						lines[i], found = "", true
						break
					}
				}
				if !found {
					t.Errorf("no line with %q", w)
				}
			}
			if t.Failed() {
				t.Logf("shown:\n%s", shown)
			}
		})
	}
	if n < 7 {
		t.Errorf("%d programs", n)
	}
}

var indented = regexp.MustCompile(` krn    [a-z]+:`)

// TestKernelUnderCall checks that kernel events in a call are placed under it, even if the call is
// placed at its return.
func TestKernelUnderCall(t *testing.T) {
	needRoot(t)
	prog := build(t, "kernel_six", "64")
	for i := range tries {
		_, shown := watch(t, prog, "-l", "krn")
		under := underCalls(string(shown))
		received, sent := strings.Join(under["recvfrom"], " "), strings.Join(under["sendto"], " ")
		if received == "skb:copy sock:receive" && strings.HasPrefix(sent, "skb:queue skb:send") && strings.HasSuffix(sent, "sock:send") {
			return
		}
		if built == "" || i == tries-1 {
			t.Fatalf("under recvfrom: %s; under sendto: %s\n%s", received, sent, shown)
		}
	}
}

// underCalls returns the events that are indented below each call.
func underCalls(shown string) map[string][]string {
	var call string
	under := map[string][]string{}
	for l := range strings.Lines(shown) {
		switch {
		case strings.Contains(l, " sys  "):
			call, _, _ = strings.Cut(strings.SplitAfterN(l, " sys  ", 2)[1], "(")
		case indented.MatchString(l):
			name := strings.Fields(strings.SplitAfterN(l, " krn    ", 2)[1])[0]
			under[call] = append(under[call], name)
		}
	}
	return under
}

// TestKernelOthers checks that no events of another, busy process are shown.
func TestKernelOthers(t *testing.T) {
	needRoot(t)
	noise := exec.Command(build(t, "kernel_udpfull", "64"))
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range 10000 {
			select {
			case <-stop:
				return
			default:
			}
			c := *noise
			_ = c.Run()
		}
	}()
	_, shown := watch(t, build(t, "kernel_retransmit", "64"), "-l", "krn")
	close(stop)
	<-ended
	for _, l := range krnLines(shown) {
		if who := strings.Fields(l)[1]; !strings.Contains(who, "kernel_retransm[") {
			t.Errorf("of another process: %s", l)
		}
	}
	if len(krnLines(shown)) < 20 {
		t.Errorf("too little is shown:\n%s", shown)
	}
}

// TestKernelShared checks that kernel events for a socket that two processes use at once are
// attributed to the right one, or marked as shared. The truth comes from events within the calls
// themselves.
func TestKernelShared(t *testing.T) {
	needRoot(t)
	_, shown := watch(t, build(t, "beyond_kshared", "64"), "-l", "krn", "--json")
	type event struct {
		Conn, Match string
		Process     struct{ PID int }
		Network     struct{ Transport string }
		Socket      struct{ State string }
		Kernel      struct {
			Event        string
			Depth, Bytes int
		}
	}
	type end struct {
		conn  string
		bytes int // of one datagram; 0: of a connection
	}
	senders, readers, users := map[end]int{}, map[end]int{}, map[end][]int{}
	var list []event
	for l := range strings.Lines(string(shown)) {
		var e event
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if e.Kernel.Event == "" || e.Conn == "" {
			continue
		}
		list = append(list, e)
		at := end{conn: e.Conn}
		switch {
		case e.Kernel.Depth != 1:
		case e.Kernel.Event == "sock:send":
			if e.Network.Transport == "udp" {
				at.bytes = e.Kernel.Bytes
			}
			senders[at] = e.Process.PID
			users[at] = append(users[at], e.Process.PID)
		case e.Kernel.Event == "sock:receive":
			readers[at] = e.Process.PID
			users[at] = append(users[at], e.Process.PID)
		}
	}
	const overUDP, overTCP = 14 + 20 + 8, 14 + 20 + 60 // before the payload, at the device; the maximum of TCP
	right, wrong, labelled := map[string]int{}, 0, 0
	for _, e := range list {
		k, at, whose := e.Kernel, end{conn: e.Conn}, 0
		udp := e.Network.Transport == "udp"
		switch k.Event {
		case "skb:queue", "skb:send":
			if udp {
				at.bytes = k.Bytes - overUDP
			} else if k.Bytes <= overTCP {
				continue // the reader sends acknowledgements
			}
			whose = senders[at]
		case "skb:receive", "sock:ready":
			if e.Socket.State == "LISTEN" || udp {
				continue // nobody reads
			}
			whose = readers[at]
		}
		switch {
		case whose == 0:
		case e.Match == "shared" || e.Match == "inherited":
			labelled++
		case e.Process.PID == whose || !udp && k.Depth == 1 && slices.Contains(users[at], e.Process.PID):
			// The holder of a stream's lock does the deferred work of others' calls.
			right[k.Event]++
		default:
			if wrong++; wrong < 5 {
				t.Errorf("%s of %d bytes, depth %d, is shown as %d's (%s), is %d's", k.Event, k.Bytes, k.Depth, e.Process.PID, e.Match, whose)
			}
		}
	}
	t.Logf("right %v, wrong %d, labelled %d", right, wrong, labelled)
	if right["skb:queue"] < 6000 || right["skb:send"] < 6000 || right["skb:receive"] < 10 || right["sock:ready"] < 10 {
		if !strings.Contains(string(shown), `"type":"lost"`) {
			t.Errorf("right are only %v", right)
		}
	}
}

// TestDrops checks that --drops shows only drops, and -c their totals.
func TestDrops(t *testing.T) {
	needRoot(t)
	prog := build(t, "kernel_udpfull", "64")
	_, shown := watch(t, prog, "--drops")
	n := 0
	for l := range strings.Lines(string(shown)) {
		switch {
		case strings.Contains(l, " krn  skb:drop "), strings.Contains(l, " krn  sock:rcvqueue-full "):
			n++
		case strings.Contains(l, "   # first seen: "), strings.Contains(l, " ! "):
		default:
			t.Errorf("not a drop: %s", l)
		}
	}
	if n < 30 {
		t.Errorf("%d drops of 20 datagrams:\n%s", n, shown)
	}
	_, table := watch(t, prog, "--drops", "-c")
	row := regexp.MustCompile(`(?m)^ +(\d+) .* skb:drop +\S+ +\S+$`)
	if m := row.FindSubmatch(table); m == nil || len(m[1]) < 2 {
		t.Errorf("the table:\n%s", table)
	}
}

// ours counts the loaded programs that only pidwire has.
func ours(t *testing.T) (n int) {
	t.Helper()
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // unloaded in the meantime
		}
		info, err := p.Info()
		p.Close()
		if err == nil && strings.HasPrefix(info.Name, "kernel_") {
			n++
		}
	}
	return n
}

// TestKernelLeavesNothing checks that no program stays in the kernel after any kind of end.
func TestKernelLeavesNothing(t *testing.T) {
	needRoot(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		before := ours(t)
		cmd := exec.Command(pidwire, "trace", "-l", "krn", "-o", filepath.Join(t.TempDir(), "lines"), "-p", "1")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 256)
		if n, err := stderr.Read(b); err != nil || !strings.Contains(string(b[:n]), "watching") {
			t.Fatalf("%q, %v", b[:n], err)
		}
		if n := ours(t); n < before+10 {
			t.Errorf("%d programs while it runs, %d before", n, before)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if left := untilFreed(t, before); left > before {
			t.Errorf("after %v: %d programs, %d before", sig, left, before)
		}
	}
}

// TestKernelRecording checks that a recording gives the same lines as the live run.
func TestKernelRecording(t *testing.T) {
	needRoot(t)
	file := filepath.Join(t.TempDir(), "k.pidwire")
	_, shown := watch(t, build(t, "kernel_refused", "64"), "-l", "krn", "-w", file, "--print")
	again, err := exec.Command(pidwire, "open", "-q", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(shown) {
		t.Errorf("the recording reads\n%s\nlive was\n%s", again, shown)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "tcp_v4_rcv") {
		t.Error("the recording does not have the name of the function that dropped a packet")
	}
}

// step is a function in a tree: -> traced, or ~> found on a stack.
var step = regexp.MustCompile(` krn  ( +)([-~])> ([^\s(]+)`)

// tries is the number of attempts of tests that require events to arrive while their call waits for
// them, which is 50 ms (merge.Window): under emulation a poll of the ring may take longer.
const tries = 5

// engines returns the engines that this kernel supports, the best first.
func engines(t *testing.T) (list []string) {
	t.Helper()
	symbols, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range [][2]string{{"kprobe", "register_fprobe_ips"}, {"function_graph", "register_ftrace_graph"}, {"stacks", "bpf_get_stack"}} {
		if strings.Contains(string(symbols), " "+e[1]+"\n") {
			list = append(list, e[0])
		}
	}
	if !slices.Contains(list, "stacks") || built != "" && len(list) < 2 {
		t.Fatalf("this kernel should have more than %v", list)
	}
	return list
}

// TestTree checks that the functions of a call are printed below it as a tree, with each engine
// that this kernel supports, and that the default is the best one.
func TestTree(t *testing.T) {
	needRoot(t)
	prog := build(t, "kernel_six", "64")
	if out, err := exec.Command(pidwire, "kernel", "list", "-q", "__sys_sendto").Output(); err != nil || !strings.HasPrefix(string(out), engines(t)[0]) {
		t.Errorf("kernel list: %v, %s; want engine %s", err, out, engines(t)[0])
	}
	for n, engine := range append([]string{""}, engines(t)...) {
		t.Run(engine, func(t *testing.T) {
			how := []string{"--tree"}
			if engine != "" {
				how = []string{"--engine", engine}
			}
			out, err := exec.Command(pidwire, append(append([]string{"trace"}, how...), "-c", "--", prog)...).CombinedOutput()
			said := regexp.MustCompile(`(?m)tree (?:by|consists of functions found on) (\w+)`).FindSubmatch(out)
			if want := engines(t)[max(n-1, 0)]; err != nil || said == nil || string(said[1]) != want {
				t.Fatalf("tree by %s, want %s: %v\n%s", said, want, err, out)
			}
			_, shown := watch(t, prog, how...)
			if wrong := treeOf(string(shown)); len(wrong) > 0 {
				t.Fatalf("%s\n%s", shown, strings.Join(wrong, "\n"))
			}
		})
	}
}

// treeOf describes what is wrong with the tree of kernel_six.
func treeOf(shown string) (wrong []string) {
	say := func(format string, arg ...any) { wrong = append(wrong, fmt.Sprintf(format, arg...)) }
	distinct := map[string]int{}
	exact := map[string]bool{}
	call, before := "", 0
	for l := range strings.Lines(shown) {
		if strings.Contains(l, " sys  ") {
			call, _, _ = strings.Cut(strings.SplitAfterN(l, " sys  ", 2)[1], "(")
			before = 0
			continue
		}
		m := step.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		depth := len(m[1]) / 2
		if depth > before+1 {
			say("a step from depth %d to %d: %s", before, depth, l)
		}
		before = depth
		exact[m[2]] = true
		name, _, _ := strings.Cut(m[3], ".") // .constprop.0
		distinct[call+": "+name] = depth
	}
	if len(exact) != 1 {
		say("lines of one engine only: %v", exact)
	}
	for _, want := range []string{"connect: __sys_connect", "sendto: __sys_sendto", "sendto: tcp_sendmsg", "sendto: tcp_v6_rcv", "recvfrom: __sys_recvfrom", "recvfrom: tcp_recvmsg"} {
		if distinct[want] == 0 {
			say("not there: %s", want)
		}
	}
	if a, b := distinct["sendto: __sys_sendto"], distinct["sendto: tcp_sendmsg"]; a != 2 || b < 3 {
		say("__sys_sendto at depth %d, tcp_sendmsg at %d", a, b)
	}
	if len(distinct) < 60 {
		say("only %d functions", len(distinct))
	}
	// function_graph has no arguments.
	if exact["-"] && strings.Contains(shown, "-> __sys_socket(family") {
		for _, want := range []string{
			`-> tcp_sendmsg(_locked)?\(sk=\[::1\]:\d+->\[::1\]:\d+, msg=0x[0-9a-f]+, size=5\)`, `<- __sys_sendto = 5 <`,
			`-> __sys_socket\(family=10, type=1, protocol=0\)`, `<- __sys_connect = -1 ECONNREFUSED <`, `skb=\d+ bytes tcp \[P\.\]`,
		} {
			if !regexp.MustCompile(want).MatchString(shown) {
				say("no line like %s", want)
			}
		}
	}
	return wrong
}

// graph traces a program with ftrace's function_graph, and returns which of the named functions it
// called.
func graph(t *testing.T, prog string, functions []string) map[string]bool {
	t.Helper()
	put := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(tracing+file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	defer put("set_ftrace_filter", "")
	defer put("set_ftrace_pid", "")
	defer put("current_tracer", "nop")
	put("current_tracer", "nop")
	put("set_ftrace_filter", strings.Join(functions, "\n"))
	put("set_ftrace_pid", "1") // no other process, before the program has started
	put("current_tracer", "function_graph")
	if out, err := exec.Command("/bin/sh", "-c", "echo $$ >"+tracing+"set_ftrace_pid; exec "+prog).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(tracing + "trace")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`\| +([a-zA-Z0-9_.]+)\([^|]*\)(?:;| \{)`).FindAllSubmatch(b, -1) {
		seen[string(m[1])] = true
	}
	return seen
}

// TestTreeOracle compares the tree with function_graph: the functions of net/socket.c that the same
// program called.
func TestTreeOracle(t *testing.T) {
	needRoot(t)
	needFunctionGraph(t)
	prog := build(t, "kernel_six", "64")
	out, err := exec.Command(pidwire, "kernel", "list", "-q", "*@net/socket.c").Output()
	if err != nil {
		t.Fatal(err)
	}
	may, err := os.ReadFile(tracing + "available_filter_functions")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for l := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.Fields(l)[1], "(")
		if strings.Contains("\n"+string(may), "\n"+name+"\n") {
			names = append(names, name)
		}
	}
	if len(names) < 50 {
		t.Fatalf("%d functions of net/socket.c", len(names))
	}
	want := graph(t, prog, names)
	for _, engine := range engines(t) {
		how, least := []string{"--engine", engine, "--functions", "*@net/socket.c"}, 95 // percent
		if engine == "stacks" {
			how, least = how[:2], 40
		}
		_, shown := watch(t, prog, how...)
		got := map[string]bool{}
		for _, m := range step.FindAllStringSubmatch(string(shown), -1) {
			if (m[2] == "~") != (engine == "stacks") {
				t.Errorf("%s: %s", engine, m[0])
			}
			got[m[3]] = true
		}
		found := 0
		var missing []string
		for name := range want {
			if got[name] {
				found++
			} else {
				missing = append(missing, name)
			}
		}
		share := 100 * found / max(len(want), 1)
		t.Logf("function_graph saw %d functions of net/socket.c, %d of them are in the tree by %s: %d%%; missing: %v", len(want), found, engine, share, missing)
		if len(want) < 15 || share < least {
			t.Errorf("%s: %d functions, %d%% of them found, want %d%%", engine, len(want), share, least)
		}
	}
}

const tracing = "/sys/kernel/tracing/"

// ftraceStands returns the settings of ftrace; false if tracefs is not mounted.
func ftraceStands() (string, bool) {
	var b strings.Builder
	for _, file := range []string{"current_tracer", "set_ftrace_filter", "set_ftrace_pid", "trace_clock", "trace_options"} {
		text, err := os.ReadFile(tracing + file)
		if err != nil {
			return "not here", false
		}
		b.WriteString(file + ": " + string(text))
	}
	// 7 (expanded: 1408), or the size after the expansion. Rounded up to pages.
	size, _ := os.ReadFile(tracing + "buffer_size_kb")
	_, expanded, ok := strings.Cut(string(size), "expanded: ")
	if !ok {
		expanded = string(size)
	}
	kb, _ := strconv.Atoi(strings.Trim(expanded, ")\n"))
	fmt.Fprintf(&b, "buffer of %d KiB or a bit more\n", kb/16*16)
	instances, _ := filepath.Glob(tracing + "instances/*")
	return b.String() + strings.Join(instances, " "), true
}

// TestTracerPutBack checks that ftrace has its previous settings after a run with each engine, and
// after a kill -9 and doctor --clean.
func TestTracerPutBack(t *testing.T) {
	needRoot(t)
	before, ok := ftraceStands()
	if !ok && built != "" {
		t.Fatal("this kernel should have tracefs")
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		cmd := exec.Command(pidwire, "trace", "--tree", "-o", filepath.Join(t.TempDir(), "lines"), "-p", "1")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(stderr)
		said := ""
		for !strings.Contains(said, "watching") && sc.Scan() {
			said += sc.Text() + "\n"
		}
		t.Log(said)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if sig == syscall.SIGKILL {
			if out, err := exec.Command(pidwire, "doctor", "--clean").CombinedOutput(); err != nil {
				t.Errorf("doctor --clean: %v\n%s", err, out)
			}
		}
		if after, _ := ftraceStands(); after != before {
			t.Errorf("after %v:\n%s\nbefore:\n%s", sig, after, before)
		}
	}
}

// lacksFunctionGraph asks the kernel. It mounts tracefs for the test if necessary.
func lacksFunctionGraph(t *testing.T) error {
	t.Helper()
	if _, err := os.Stat(tracing + "available_tracers"); err != nil {
		if err := syscall.Mount("tracefs", tracing, "tracefs", 0, ""); err != nil {
			return fmt.Errorf("mounting tracefs: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(tracing, 0) })
	}
	b, err := os.ReadFile(tracing + "available_tracers")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(b)), "function_graph") {
		return fmt.Errorf("available_tracers: %s", b)
	}
	f, err := os.Open(tracing + "available_filter_functions") // lockdown
	if err != nil {
		return err
	}
	return f.Close()
}

// needFunctionGraph skips the test if the kernel has no function_graph, and fails it if it should
// have.
func needFunctionGraph(t *testing.T) {
	t.Helper()
	lacks := lacksFunctionGraph(t)
	if lacks == nil {
		return
	}
	// Under lockdown it is compiled in but not permitted (EPERM).
	symbols, err := os.ReadFile("/proc/kallsyms")
	has := err != nil || strings.Contains(string(symbols), " register_ftrace_graph\n")
	if built != "" || has && !errors.Is(lacks, syscall.EPERM) {
		t.Fatalf("this kernel should have function_graph: %v", lacks)
	}
	t.Skipf("this kernel has no function_graph: %v", lacks)
}

// TestTracerEndings checks that ftrace has its previous settings after any kind of end of a run
// with function_graph: the collector restores them even if the printing process is gone.
func TestTracerEndings(t *testing.T) {
	needRoot(t)
	needFunctionGraph(t)
	before, ok := ftraceStands()
	graph := []string{"trace", "--tree", "--engine", "function_graph", "-o", "/dev/null"}
	if out, err := exec.Command(pidwire, append(graph, "--", "true")...).CombinedOutput(); !ok || err != nil {
		t.Fatalf("function_graph cannot be used, and the kernel has it: %v\n%s", err, out)
	}
	for _, test := range []struct {
		name   string
		signal []syscall.Signal
		to     func(*pair) int
	}{
		{"twice", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, func(p *pair) int { return -p.collector }},
		{"quit and hangup", []syscall.Signal{syscall.SIGQUIT, syscall.SIGHUP}, func(p *pair) int { return -p.collector }},
		{"the rest is killed", []syscall.Signal{syscall.SIGKILL}, func(p *pair) int { return p.rest }},
		{"the rest crashes", []syscall.Signal{syscall.SIGSEGV}, func(p *pair) int { return p.rest }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			p := startPair(t, nil, &said, nil, append(graph, sleeper(t))...)
			if during, _ := ftraceStands(); during == before {
				t.Error("ftrace is as before while it watches")
			}
			for _, s := range test.signal {
				_ = syscall.Kill(test.to(p), s)
			}
			p.mustEnd(t, 6*time.Second)
			if after, _ := ftraceStands(); after != before {
				t.Errorf("afterwards:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

// TestTracerAdministrator checks that changes of ftrace by an administrator during a run are kept,
// and that pidwire reports that functions are no longer shown. The kernel refuses another tracer
// while this one is read (EBUSY).
func TestTracerAdministrator(t *testing.T) {
	needRoot(t)
	needFunctionGraph(t)
	lines := filepath.Join(t.TempDir(), "lines")
	put := func(t *testing.T, dir, file, text string) {
		t.Helper()
		if err := os.WriteFile(dir+file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	has := func(t *testing.T, file, want string) {
		t.Helper()
		if b, err := os.ReadFile(tracing + file); strings.TrimSpace(string(b)) != want {
			t.Errorf("afterwards %s is %q (%v), want %q", file, b, err, want)
		}
	}
	var said bytes.Buffer
	own := false
	t.Run("run", func(t *testing.T) { // complete when the process ends
		p := startPair(t, nil, &said, nil, "trace", "--tree", "--engine", "function_graph", "-o", lines, sleeper(t))
		dir := tracing
		if list, _ := filepath.Glob(tracing + "instances/pidwire-*"); len(list) > 0 {
			own, dir = true, list[0]+"/"
		}
		put(t, dir, "tracing_on", "0")
		put(t, dir, "set_ftrace_filter", "vfs_read")
		for wait := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
			b, _ := os.ReadFile(lines)
			if bytes.Contains(b, []byte(`another process changed ftrace: functions are not shown from here on: tracing_on is "0"`)) {
				break
			}
			if time.Now().After(wait) {
				t.Fatalf("nothing is said of the change:\n%s", b)
			}
		}
		_ = syscall.Kill(p.collector, syscall.SIGINT)
		p.mustEnd(t, 6*time.Second)
	})
	if own { // it is removed with everything in it
		if list, _ := filepath.Glob(tracing + "instances/pidwire-*"); len(list) > 0 {
			t.Errorf("left: %v", list)
		}
		return
	}
	has(t, "set_ftrace_filter", "vfs_read")
	has(t, "current_tracer", "function_graph")
	for file, text := range map[string]string{"current_tracer": "nop", "set_ftrace_filter": "", "set_ftrace_pid": "", "tracing_on": "1", "trace_clock": "local"} {
		put(t, tracing, file, text)
	}
	if want := `in use by another process, and is not restored: set_ftrace_filter has "vfs_read"`; !strings.Contains(said.String(), want) {
		t.Errorf("it says %q, want %q", said.String(), want)
	}
}

// TestFtraceOff checks that pidwire reports it if an administrator disables function tracing before
// or during the run: the kernel then accepts probes that never fire.
func TestFtraceOff(t *testing.T) {
	needRoot(t)
	const file = "/proc/sys/kernel/ftrace_enabled"
	var engines []string
	for _, engine := range []string{"kprobe", "function_graph"} {
		if exec.Command(pidwire, "trace", "--tree", "--engine", engine, "-o", "/dev/null", "--", "true").Run() == nil {
			engines = append(engines, engine)
		}
	}
	if len(engines) == 0 {
		needFunctionGraph(t)
		t.Fatal("this kernel has function_graph, and no engine traces functions")
	}
	put := func(t *testing.T, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	defer put(t, "1")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			lines := filepath.Join(t.TempDir(), "lines")
			p := startPair(t, nil, new(bytes.Buffer), nil, "trace", "--tree", "--engine", engine, "-o", lines, sleeper(t))
			for _, change := range []struct{ to, want string }{
				{"0", "another process changed ftrace: functions are not shown from here on: kernel.ftrace_enabled is 0"},
				{"1", "ftrace has our settings again: functions are shown again"},
			} {
				put(t, change.to)
				for wait := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
					b, _ := os.ReadFile(lines)
					if bytes.Contains(b, []byte(change.want)) {
						break
					}
					if time.Now().After(wait) {
						t.Fatalf("%s: not said: %q\n%s", change.to, change.want, b)
					}
				}
			}
			_ = syscall.Kill(p.collector, syscall.SIGINT)
			p.mustEnd(t, 6*time.Second)
		})
	}
	put(t, "0")
	const cause = "kernel.ftrace_enabled is 0"
	out, err := exec.Command(pidwire, "trace", "--tree", "--", "true").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(cause)) || !bytes.Contains(out, []byte("the tree is made of stacks")) {
		t.Errorf("off before the run: %v\n%s", err, out)
	}
	out, err = exec.Command(pidwire, "trace", "--tree", "--engine", "kprobe", "--", "true").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(cause)) {
		t.Errorf("off before the run, and the engine is asked for: %v\n%s", err, out)
	}
}

// TestStacks checks that the process's stack is printed below each call, and the kernel's below
// each event.
func TestStacks(t *testing.T) {
	needRoot(t)
	prog := build(t, "kernel_retransmit", "64")
	_, shown := watch(t, prog, "-k")
	// A call of more than 50 ms, such as connect under emulation, is printed after its events, and
	// not directly above its stack.
	late := regexp.MustCompile(`(?m) connect\(.* <(([5-9]|[1-9][0-9]+)[0-9](\.[0-9]+)?ms|[0-9.]+s)>`)
	for again := 0; again < 5 && built != "" && late.Match(shown); again++ {
		_, shown = watch(t, prog, "-k")
	}
	below := map[string]string{}
	line := ""
	for l := range strings.Lines(string(shown)) {
		if strings.HasPrefix(l, " > ") {
			below[line] += l
			continue
		}
		if f := strings.Fields(l); len(f) > 4 {
			line, _, _ = strings.Cut(f[4], "(")
		}
	}
	user := regexp.MustCompile(`(?m)^ > ` + regexp.QuoteMeta(prog) + `\((__libc_)?connect\+0x[0-9a-f]+\) \[0x[0-9a-f]+\]$`)
	if !user.MatchString(below["connect"]) {
		t.Errorf("below connect:\n%s", below["connect"])
	}
	for _, want := range []string{"(__dev_queue_xmit+0x", "(__sys_connect+0x"} {
		if !strings.Contains(below["skb:queue"], want) {
			t.Errorf("%s is not below skb:queue", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", shown)
	}
}
