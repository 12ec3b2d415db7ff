// Overhead measures what watching a process costs it. A load on loopback runs
// plain, watched, plain, watched, and so on. Each watched run is compared with
// the plain runs before and after it, so that other activity of the machine
// affects both.
//
//	go run ./bench/overhead [-rounds 5] [-tools pidwire-w,strace] [-modes pp,self]
//
// Each ratio is printed with the bound of the project. It needs root, gcc, and
// strace for the comparison.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// bounds are the maximum ratios, by tool and mode.
var bounds = map[string]map[string]float64{
	"pidwire-w":     {"pp": 1.12, "self": 1.5, "stream": 1.10},
	"pidwire-text":  {"pp": 1.15, "self": 1.7, "stream": 1.10},
	"pidwire-other": {"pp": 1.05},
	"pidwire-msg":   {"http": 1.25, "stream": 1.10},
	"pidwire-krn":   {"pp": 1.6},
}

const (
	firstLineBound = 300 * time.Millisecond
	latencyBound   = 100 * time.Millisecond
)

func main() {
	rounds := flag.Int("rounds", 5, "watched runs of each tool and mode")
	seconds := flag.Float64("seconds", 1, "length of a run")
	tools := flag.String("tools", "pidwire-w,pidwire-text,pidwire-other,empty,pidwire-krn,pidwire-other-krn,strace", "of: "+strings.Join(toolNames(), ", "))
	modes := flag.String("modes", "pp,pprw,self,stream,getppid", "of the load")
	cpu := flag.Int("cpu", 0, "keep the load on this CPU: far less noise; -1 leaves it where it wants")
	latency := flag.Bool("latency", true, "measure attach and call-to-line times too")
	binary := flag.String("pidwire", "", "use this binary, do not build one")
	load := flag.String("load", "", "use this load, do not compile one")
	strict := flag.Bool("strict", false, "exit with 1 if a bound was passed, or if events were lost")
	empty := flag.Bool("empty", false, "only hold empty programs at the tracepoints of calls until interrupted: tool empty")
	flag.Parse()

	if *empty {
		if err := attachEmpty(); err != nil {
			fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "pidwire-overhead-")
	if err != nil {
		fatal(err)
	}
	b := &bench{dir: dir, seconds: *seconds, cpu: *cpu, pidwire: *binary, load: *load}
	names := split(*tools)
	ok, err := b.all(names, split(*modes), *rounds, *latency)
	os.RemoveAll(dir)
	if err != nil {
		fatal(err)
	}
	if *strict && !ok {
		os.Exit(1)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "overhead:", err)
	os.Exit(1)
}

// split splits a list at its commas; the empty list has no elements. Plain runs are always made.
func split(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(e string) bool { return e == "" || e == "plain" })
}

// bench has the settings that all runs share.
type bench struct {
	dir     string // temporary, removed at the end
	load    string // path of the program
	pidwire string // path of the binary
	seconds float64
	cpu     int // CPU of the load; -1: any
}

// build compiles the load, and pidwire if a tool needs it.
func (b *bench) build(tools []string) error {
	if b.load == "" {
		b.load = filepath.Join(b.dir, "load")
		source := b.load + ".c"
		if err := os.WriteFile(source, loadSource, 0o600); err != nil {
			return err
		}
		if err := command("gcc", "-std=gnu11", "-O2", "-Wall", "-o", b.load, source); err != nil {
			return err
		}
	}
	if b.pidwire == "" && slices.ContainsFunc(tools, func(t string) bool { return strings.HasPrefix(t, "pidwire") || t == "function_graph" }) {
		b.pidwire = filepath.Join(b.dir, "pidwire")
		if err := command("go", "build", "-buildvcs=false", "-o", b.pidwire, "github.com/pidwire/pidwire/cmd/pidwire"); err != nil {
			return err
		}
	}
	return b.prepare(tools)
}

func command(name string, arg ...string) error {
	if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// all runs all measurements and prints them. It reports whether all bounds were kept.
func (b *bench) all(tools, modes []string, rounds int, latency bool) (bool, error) {
	for _, t := range tools {
		if _, found := toolset[t]; !found {
			return false, fmt.Errorf("no tool %q: there are %s", t, strings.Join(toolNames(), ", "))
		}
	}
	if err := b.build(tools); err != nil {
		return false, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return false, err
	}
	fmt.Printf("Linux %s, %d CPUs, load on CPU %d, %d rounds of %g s, load average at start %s\n\n",
		strings.TrimSpace(string(release)), runtime.NumCPU(), b.cpu, rounds, b.seconds, loadAverage())
	fmt.Printf("%-8s %-14s %9s %7s  %-14s %6s  %-5s %9s %9s %8s\n",
		"mode", "tool", "ns/op", "ratio", "[min..max]", "bound", "", "tool CPU", "CPU/op", "lost")
	ok := true
	for _, mode := range modes {
		good, err := b.mode(mode, tools, rounds)
		if err != nil {
			return false, err
		}
		ok = ok && good
	}
	if latency {
		fmt.Println()
		for _, t := range tools {
			for _, measure := range []func(string) (bool, error){b.latency, b.attach} {
				good, err := measure(t)
				if err != nil {
					return false, err
				}
				ok = ok && good
			}
		}
	}
	return ok, nil
}

// mode measures one mode with each of the tools.
func (b *bench) mode(mode string, tools []string, rounds int) (bool, error) {
	ratios := make(map[string][]float64)
	watched := make(map[string][]run)
	var plains []float64
	before, err := b.plain(mode)
	if err != nil {
		return false, err
	}
	for range rounds {
		for _, t := range tools {
			r, err := b.watched(mode, t)
			if err != nil {
				return false, fmt.Errorf("%s under %s: %w", mode, t, err)
			}
			after, err := b.plain(mode)
			if err != nil {
				return false, err
			}
			ratios[t] = append(ratios[t], 2*r.nsPerOp/(before.nsPerOp+after.nsPerOp))
			watched[t] = append(watched[t], r)
			plains = append(plains, before.nsPerOp)
			before = after
		}
	}
	plains = append(plains, before.nsPerOp)
	fmt.Printf("%-8s %-14s %9.0f %7.2f\n", mode, "plain", median(plains), 1.0)
	ok := true
	for _, t := range tools {
		good := row(mode, t, ratios[t], watched[t])
		ok = ok && good
	}
	return ok, nil
}

// row prints the results of a mode with a tool.
func row(mode, tool string, ratios []float64, runs []run) bool {
	var ns []float64
	var cpu time.Duration
	var ops int64
	var lost uint64
	for _, r := range runs {
		ns = append(ns, r.nsPerOp)
		cpu += r.cpu
		ops += r.ops
		lost += r.lost
	}
	m := median(ratios)
	bound, verdict, ok := "", "", lost == 0
	if v, has := bounds[tool][mode]; has {
		bound = fmt.Sprintf("%.2f", v)
		verdict = "PASS"
		if m > v {
			verdict, ok = "over", false
		}
	}
	fmt.Printf("%-8s %-14s %9.0f %7.2f  %-14s %6s  %-5s %8.2fs %7.0fns %8d\n",
		mode, tool, median(ns), m, fmt.Sprintf("[%.2f..%.2f]", slices.Min(ratios), slices.Max(ratios)),
		bound, verdict, cpu.Seconds(), float64(cpu.Nanoseconds())/float64(ops), lost)
	return ok
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}
