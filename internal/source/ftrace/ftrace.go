//go:build linux

// Package ftrace traces functions with the kernel's function_graph tracer: in an
// instance of our own if the kernel allows that (6.11), else in the machine's
// top-level instance, if that is not in use. Changes are undone at the end, or by
// Clean after a run that was killed.
package ftrace

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/proc"
)

// ErrInUse means that another process uses the machine's top-level ftrace instance.
var ErrInUse = errors.New("ftrace is in use")

// roots are the usual mount points of tracefs. In stateDir each run saves the settings that it
// must restore.
var (
	roots    = []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}
	stateDir = "/run/pidwire"
)

const instancePrefix = "pidwire-"

// Tracer is an active function_graph trace.
type Tracer struct {
	root  string // mount point of tracefs
	dir   string // directory of the instance
	own   bool   // the instance is ours
	saved saved
	layout
	cpus   []cpu
	page   []byte  // buffer for one page
	events []Event // events that were read, by time
	next   int     // index of the first event that Next has not returned
}

// cpu is the ring buffer of one CPU.
type cpu struct {
	n  uint16
	fd int // trace_pipe_raw, non-blocking
}

// saved has the settings to restore in the top-level instance, and the process that has changed them.
type saved struct {
	PID     int      `json:"pid"`
	Start   string   `json:"start"` // start time of the process, as in /proc/PID/stat
	Dir     string   `json:"dir"`
	Clock   string   `json:"clock"`
	Buffer  string   `json:"buffer"` // size in KiB per CPU
	Set     string   `json:"set"`    // buffer_size_kb as read after we have set it; empty if not set yet
	Options []string `json:"options"`
	// Functions is set_ftrace_filter as read after we have set it; empty if not set yet.
	Functions []string `json:"functions"`
}

// options are the trace options that are set: no interrupts, and new threads of a
// traced thread are traced too. The others are for newer kernels, which may use another
// type of event, with arguments or the return address.
var options = []string{"nofuncgraph-irqs", "function-fork", "nofuncgraph-retaddr", "nofuncgraph-args"}

// Available returns an error if the kernel has no function_graph, or if tracefs cannot be
// read. It does not check whether ftrace is in use.
func Available() error {
	_, err := available()
	return err
}

// enabledFile is the sysctl that enables ftrace and all that uses it, including kprobe.multi.
var enabledFile = "/proc/sys/kernel/ftrace_enabled"

// ErrOff means that ftrace is disabled: the kernel accepts all requests, but there are no events.
var ErrOff = errors.New("kernel.ftrace_enabled is 0 (sysctl kernel.ftrace_enabled=1 enables function tracing)")

// Enabled returns ErrOff if ftrace is disabled by the sysctl kernel.ftrace_enabled. It returns nil if the file cannot
// be read; if such a kernel has no ftrace, using it fails.
func Enabled() error {
	if b, err := os.ReadFile(enabledFile); err == nil && strings.TrimSpace(string(b)) == "0" {
		return ErrOff
	}
	return nil
}

// available returns the mount point of tracefs, or an error if it has no function_graph.
func available() (root string, err error) {
	if root, err = mounted(); err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(root, "available_tracers"))
	if err != nil {
		return "", err
	}
	if !bytes.Contains(b, []byte("function_graph")) {
		return "", errors.New("this kernel has no function_graph")
	}
	return root, nil
}

// Open starts to trace the functions with these indexes in the list of Traceable. No
// thread is traced before Watch. The kernel accepts indexes instead of names since 5.1; it
// compares each name with all functions (22 s for 300 names under emulation, against
// nothing for indexes).
func Open(places []int) (*Tracer, error) {
	if len(places) == 0 {
		return nil, errors.New("none of the functions can be traced")
	}
	root, err := available()
	if err != nil {
		return nil, err
	}
	t := &Tracer{root: root}
	if err := t.readLayout(); err != nil {
		return nil, err
	}
	// Before creating an instance: on older kernels its buffer size affects that of the
	// top-level instance too.
	if t.saved, err = standing(root); err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "instances", instancePrefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err == nil {
		t.dir, t.own = dir, true
		if err = t.begin(places); err == nil {
			return t, nil
		}
		_ = t.Close()
	}
	t.dir, t.own = root, false
	if err := free(root); err != nil {
		return nil, err
	}
	if err := t.saved.write(); err != nil {
		return nil, err
	}
	if err := t.begin(places); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func mounted() (string, error) {
	err := fs.ErrNotExist
	for _, dir := range roots {
		if _, e := os.Stat(filepath.Join(dir, "trace_pipe")); e == nil {
			return dir, nil
		} else if !errors.Is(e, fs.ErrNotExist) {
			err = e
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("tracefs is not mounted (mount -t tracefs tracefs %s)", roots[0])
	}
	return "", fmt.Errorf("tracefs cannot be read: %w", err)
}

// free returns an error that wraps ErrInUse if the top-level instance is in use.
func free(root string) error {
	for file, want := range map[string]string{"current_tracer": "nop", "set_ftrace_pid": "no pid", "set_event": "", "set_ftrace_filter": "#### all functions enabled ####"} {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return err
		}
		if have := strings.TrimSpace(string(b)); have != want {
			if len(have) > 60 {
				have = have[:60] + "..."
			}
			return fmt.Errorf("%w: %s is %q", ErrInUse, file, have)
		}
	}
	return nil
}

func (t *Tracer) put(file, text string) error { return put(t.dir, file, text) }

func put(dir, file, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Traceable reads the list of functions that can be traced, and returns their indexes in
// it by name, counted from 1. A name may have several functions. Reading takes some tens
// of milliseconds.
func Traceable() (map[string][]int, error) {
	root, err := mounted()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(root, "available_filter_functions"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	places := map[string][]int{}
	sc := bufio.NewScanner(f)
	for i := 1; sc.Scan(); i++ {
		name, _, _ := bytes.Cut(sc.Bytes(), []byte(" "))
		places[string(name)] = append(places[string(name)], i)
	}
	return places, sc.Err()
}

// begin configures the instance and starts the trace. It sets only one function at first, so
// that it fails early if function_graph cannot be used in this instance.
func (t *Tracer) begin(places []int) error {
	var list []string
	for _, n := range places {
		list = append(list, strconv.Itoa(n))
	}
	if err := t.put("set_ftrace_filter", list[0]); err != nil {
		return fmt.Errorf("set_ftrace_filter: %w", err)
	}
	// Our own pid until Watch adds others, because an empty list means all threads.
	if err := t.put("set_ftrace_pid", strconv.Itoa(os.Getpid())); err != nil {
		return fmt.Errorf("set_ftrace_pid: %w", err)
	}
	if err := t.put("buffer_size_kb", bufferKB); err != nil {
		return fmt.Errorf("buffer_size_kb: %w", err)
	}
	if err := t.put("trace_clock", clock); err != nil {
		return fmt.Errorf("trace_clock: %w", err)
	}
	if err := t.put("current_tracer", "function_graph"); err != nil {
		return fmt.Errorf("current_tracer: %w", err)
	}
	if err := t.put("set_ftrace_filter", strings.Join(list, "\n")); err != nil {
		return fmt.Errorf("set_ftrace_filter: %w", err)
	}
	if !t.own {
		var err error
		if t.saved.Functions, err = lines(t.dir, "set_ftrace_filter"); err != nil {
			return err
		}
		if t.saved.Set, err = word(t.dir, "buffer_size_kb"); err != nil {
			return err
		}
		if err := t.saved.write(); err != nil {
			return err
		}
	}
	for _, o := range options {
		if !t.hasOption(o) {
			continue
		}
		if err := t.put("trace_options", o); err != nil {
			return fmt.Errorf("trace_options %s: %w", o, err)
		}
	}
	if err := t.put("tracing_on", "1"); err != nil {
		return fmt.Errorf("tracing_on: %w", err)
	}
	return t.openCPUs()
}

// openCPUs opens the binary ring buffers, because reading text is too slow
// (docs/decisions/0010-function-graph-by-pages.md).
func (t *Tracer) openCPUs() error {
	files, err := filepath.Glob(filepath.Join(t.dir, "per_cpu", "cpu*", "trace_pipe_raw"))
	if err != nil {
		return err
	}
	for _, name := range files {
		n, err := strconv.ParseUint(strings.TrimPrefix(filepath.Base(filepath.Dir(name)), "cpu"), 10, 16)
		if err != nil {
			continue
		}
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("trace_pipe_raw of CPU %d: %w", n, err)
		}
		t.cpus = append(t.cpus, cpu{uint16(n), fd})
	}
	if len(t.cpus) == 0 {
		return errors.New("tracefs has no trace_pipe_raw")
	}
	t.page = make([]byte, t.size)
	return nil
}

// readLayout reads the format of pages and events from tracefs.
func (t *Tracer) readLayout() error {
	read := func(name string) (string, error) {
		b, err := os.ReadFile(filepath.Join(t.root, "events", name))
		return string(b), err
	}
	text, err := read("header_page")
	if err != nil {
		return err
	}
	if err := t.parsePage(text); err != nil {
		return err
	}
	if text, err = read("ftrace/funcgraph_entry/format"); err == nil {
		t.enter, err = parseFormat(text, "common_pid", "func", "depth")
	}
	if err != nil {
		return fmt.Errorf("funcgraph_entry: %w", err)
	}
	if text, err = read("ftrace/funcgraph_exit/format"); err == nil {
		t.leave, err = parseFormat(text, "common_pid", "func", "depth", "calltime", "rettime")
	}
	if err != nil {
		return fmt.Errorf("funcgraph_exit: %w", err)
	}
	return nil
}

// hasOption reports whether the kernel has an option; trace_options shows each by its name
// or with the prefix no.
func (t *Tracer) hasOption(o string) bool {
	b, err := os.ReadFile(filepath.Join(t.dir, "trace_options"))
	if err != nil {
		return true // writing it reports the error
	}
	name := strings.TrimPrefix(o, "no")
	words := strings.Fields(string(b))
	return slices.Contains(words, name) || slices.Contains(words, "no"+name)
}

// word returns the value in a file of tracefs. If that is a list of choices, it returns the selected one, which is in
// brackets.
func word(dir, file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return "", err
	}
	if _, rest, ok := strings.Cut(string(b), "["); ok {
		chosen, _, _ := strings.Cut(rest, "]")
		return chosen, nil
	}
	return strings.TrimSpace(string(b)), nil
}

func lines(dir, file string) (list []string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n"), nil
}

// Changed describes a change by another process that has stopped the trace; empty if there is none.
func (t *Tracer) Changed() string {
	if tracer, err := word(t.dir, "current_tracer"); err == nil && tracer != "function_graph" {
		return fmt.Sprintf("current_tracer is %q", tracer)
	}
	if on, err := word(t.dir, "tracing_on"); err == nil && on != "1" {
		return fmt.Sprintf("tracing_on is %q", on)
	}
	return ""
}

const (
	// bufferKB is the size of the buffer per CPU. It must hold the events of a busy thread
	// between two calls of Fill.
	bufferKB = "4096"
	clock    = "mono"
)

// Own reports whether the tracer has an instance of its own.
func (t *Tracer) Own() bool { return t.own }

// Watch starts to trace a thread, and the threads that it will create.
func (t *Tracer) Watch(tid uint32) error {
	f, err := os.OpenFile(filepath.Join(t.dir, "set_ftrace_pid"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatUint(uint64(tid), 10))
	return errors.Join(err, f.Close())
}

// Fill reads the events up to the time upTo, and possibly some later ones. It returns the
// number of events that were lost because a buffer was full.
func (t *Tracer) Fill(upTo uint64) (lost uint64, err error) {
	t.events = append(t.events[:0], t.events[t.next:]...)
	t.next = 0
	told := 0 // number of sorted runs in t.events
	if len(t.events) > 0 {
		told++
	}
	for _, c := range t.cpus {
		first := len(t.events)
		for {
			n, err := unix.Read(c.fd, t.page)
			if err == unix.EINTR {
				continue
			}
			if err == unix.EAGAIN || err == nil && n == 0 {
				break
			}
			if err != nil {
				return lost, fmt.Errorf("trace_pipe_raw of CPU %d: %w", c.n, err)
			}
			var missed uint64
			t.events, missed, err = t.layout.page(t.page[:n], c.n, t.events)
			lost += missed
			if err != nil {
				return lost, fmt.Errorf("trace_pipe_raw of CPU %d: %w", c.n, err)
			}
			// A busy CPU always has more events.
			if len(t.events) > first && t.events[len(t.events)-1].Time > upTo {
				break
			}
		}
		if len(t.events) > first {
			told++
		}
	}
	if told > 1 {
		// The events of one CPU are in order.
		slices.SortStableFunc(t.events, func(a, b Event) int { return cmp.Compare(a.Time, b.Time) })
	}
	return lost, nil
}

// Next returns the next event that Fill has read, if its time is not after upTo.
func (t *Tracer) Next(upTo uint64) (e Event, ok bool) {
	if t.next == len(t.events) || t.events[t.next].Time > upTo {
		return Event{}, false
	}
	t.next++
	return t.events[t.next-1], true
}

// Close ends the trace and restores the previous settings.
func (t *Tracer) Close() error {
	for _, c := range t.cpus {
		unix.Close(c.fd)
	}
	t.cpus = nil
	if t.own {
		return discard(t.dir)
	}
	return t.saved.restore()
}

// discard removes an instance.
func discard(dir string) error {
	// An instance can be removed only when its tracer is off.
	_ = put(dir, "current_tracer", "nop")
	return os.Remove(dir)
}

// standing reads those settings of the top-level instance that will be changed.
func standing(root string) (saved, error) {
	s := saved{PID: os.Getpid(), Dir: root}
	s.Start = proc.StartOf(s.PID)
	var err error
	if s.Clock, err = word(root, "trace_clock"); err != nil {
		return saved{}, err
	}
	// May be "7 (expanded: 1408)": the first use enlarges the buffer to that size permanently.
	size, err := os.ReadFile(filepath.Join(root, "buffer_size_kb"))
	if err != nil {
		return saved{}, err
	}
	s.Buffer = strings.TrimSpace(string(size))
	if _, expanded, ok := strings.Cut(s.Buffer, "expanded: "); ok {
		s.Buffer = strings.TrimSuffix(expanded, ")")
	}
	have, err := os.ReadFile(filepath.Join(root, "trace_options"))
	if err != nil {
		return saved{}, err
	}
	words := map[string]bool{}
	for _, w := range strings.Fields(string(have)) {
		words[w] = true
	}
	for _, o := range options {
		name := strings.TrimPrefix(o, "no")
		for _, w := range []string{name, "no" + name} {
			if words[w] && w != o {
				s.Options = append(s.Options, w)
			}
		}
	}
	return s, nil
}

// write saves the settings to a file, for the next run if this one is killed.
func (s *saved) write() error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return fmt.Errorf("saving the settings of ftrace: %w", err)
	}
	if err := os.WriteFile(s.path(), b, 0o600); err != nil {
		return fmt.Errorf("saving the settings of ftrace: %w", err)
	}
	return nil
}

func (s *saved) path() string {
	return filepath.Join(stateDir, "ftrace-"+strconv.Itoa(s.PID)+".json")
}

// taken describes how another process uses the top-level instance now; empty if none does.
func (s *saved) taken() string {
	switch tracer, err := word(s.Dir, "current_tracer"); {
	case err == nil && tracer != "function_graph" && tracer != "nop":
		return fmt.Sprintf("current_tracer is %q", tracer)
	case len(s.Functions) == 0:
		return ""
	}
	now, err := lines(s.Dir, "set_ftrace_filter")
	if err != nil {
		return ""
	}
	// Functions may be missing because a module was unloaded.
	if i := slices.IndexFunc(now, func(f string) bool { return f != "" && !slices.Contains(s.Functions, f) }); i >= 0 {
		return fmt.Sprintf("set_ftrace_filter has %q", now[i])
	}
	return ""
}

// restore restores the settings, except those that another process has changed.
func (s *saved) restore() error {
	if by := s.taken(); by != "" {
		err := fmt.Errorf("%w by another process, and is not restored: %s (to disable it: echo nop > %s)", ErrInUse, by, filepath.Join(s.Dir, "current_tracer"))
		return errors.Join(err, os.Remove(s.path()))
	}
	ours := func(file, set string) bool {
		now, err := word(s.Dir, file)
		return err != nil || now == set // after an error, writing the file reports it
	}
	var errs []error
	for _, o := range s.Options {
		errs = append(errs, put(s.Dir, "trace_options", o))
	}
	errs = append(errs, put(s.Dir, "current_tracer", "nop"), put(s.Dir, "set_ftrace_filter", ""), put(s.Dir, "set_ftrace_pid", ""))
	if s.Clock != "" && ours("trace_clock", clock) {
		errs = append(errs, put(s.Dir, "trace_clock", s.Clock))
	}
	if s.Buffer != "" && strings.Trim(s.Buffer, "0123456789") == "" && (s.Set == "" || ours("buffer_size_kb", s.Set)) {
		errs = append(errs, put(s.Dir, "buffer_size_kb", s.Buffer))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("restoring the settings of ftrace: %w", err)
	}
	return os.Remove(s.path())
}

// Clean removes the instances and restores the settings of runs that are not alive, and returns
// the number of both.
func Clean() (n int, err error) {
	root, err := mounted()
	if err != nil {
		return 0, nil // without tracefs there is nothing to clean
	}
	var errs []error
	own, _ := filepath.Glob(filepath.Join(root, "instances", instancePrefix+"*"))
	for _, dir := range own {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), instancePrefix))
		if err != nil || proc.StartOf(pid) != "" {
			continue
		}
		n++
		errs = append(errs, discard(dir))
	}
	files, _ := filepath.Glob(filepath.Join(stateDir, "ftrace-*.json"))
	for _, name := range files {
		b, err := os.ReadFile(name)
		var s saved
		if err != nil || json.Unmarshal(b, &s) != nil || s.path() != name {
			continue
		}
		if start := proc.StartOf(s.PID); start != "" && start == s.Start {
			continue
		}
		n++
		errs = append(errs, s.restore())
	}
	return n, errors.Join(errs...)
}
