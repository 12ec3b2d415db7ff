package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tools that trace kernel functions: pidwire's engines, and ftrace by hand.

//go:embed function_graph.sh
var graphScript string

// attachBound is the limit for attaching to attachFunctions functions.
const (
	attachBound     = 2 * time.Second
	attachFunctions = 300
)

// attached are the patterns of the functions for which the time to attach is measured.
var attached = map[string]string{"pidwire-kprobe": "kprobe", "pidwire-graph": "function_graph"}

func engineTool(engine string) tool {
	return tool{
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "--engine", engine, "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached: watching,
	}
}

// graphTool is function_graph by hand, for the functions that pidwire would trace.
var graphTool = tool{
	args: func(b *bench, pid int) []string {
		return []string{"/bin/sh", "-c", graphScript, "function_graph", strconv.Itoa(pid), b.list()}
	},
	attached: watching,
}

func (b *bench) list() string { return filepath.Join(b.dir, "functions") }

// functions returns the functions that match the patterns and that can be traced individually.
func (b *bench) functions(patterns ...string) ([]string, error) {
	out, err := exec.Command(b.pidwire, append([]string{"kernel", "list", "-q", "--json"}, patterns...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("kernel list: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		var f struct{ Function, Engine string }
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			return nil, err
		}
		if f.Engine != "stacks" {
			names = append(names, f.Function)
		}
	}
	return names, nil
}

// prepare writes the list of functions that function_graph traces.
func (b *bench) prepare(tools []string) error {
	if !slices.Contains(tools, "function_graph") {
		return nil
	}
	names, err := b.functions()
	if err != nil {
		return err
	}
	return os.WriteFile(b.list(), []byte(strings.Join(names, "\n")+"\n"), 0o600)
}

// attach measures the time from the start of pidwire until it watches, with many functions and with
// none. The difference is the cost of the functions.
func (b *bench) attach(name string) (bool, error) {
	engine, found := attached[name]
	if !found {
		return true, nil
	}
	names, err := b.functions("tcp_*", "ip_*", "udp_*", "sock_*", "inet_*")
	if err != nil {
		return false, err
	}
	if len(names) < attachFunctions {
		return false, fmt.Errorf("%d functions can be traced here, want %d", len(names), attachFunctions)
	}
	many := []string{"--engine", engine}
	for _, n := range names[:attachFunctions] {
		many = append(many, "--functions", n)
	}
	var with, without []time.Duration
	for range starts {
		for _, run := range []struct {
			how  []string
			into *[]time.Duration
		}{{many, &with}, {[]string{"-l", "krn"}, &without}} {
			d, err := b.attachTime(run.how)
			if err != nil {
				return false, fmt.Errorf("%s: %w", name, err)
			}
			*run.into = append(*run.into, d)
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	d := with[starts/2] - without[starts/2]
	verdict := "PASS"
	if d > attachBound {
		verdict = "over"
	}
	fmt.Printf("%-14s attach %d functions        median %6.1f ms of %.1f ms from start to watching, bound %d ms  %s\n", name,
		attachFunctions, ms(d), ms(with[starts/2]), attachBound.Milliseconds(), verdict)
	return verdict == "PASS", nil
}

func (b *bench) attachTime(how []string) (time.Duration, error) {
	l, err := b.start("pp", "-t", "1")
	if err != nil {
		return 0, err
	}
	defer l.stop()
	began := monotonic()
	w, err := watch(watching, append([]string{b.pidwire, "trace", "-p", strconv.Itoa(l.pid), "-w", filepath.Join(b.dir, "out.pidwire")}, how...))
	if err != nil {
		return 0, err
	}
	d := monotonic() - began
	_, err = w.stop()
	return d, err
}
