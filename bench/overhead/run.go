package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed load.c
var loadSource []byte

// tool is a way of watching a process.
type tool struct {
	args      func(b *bench, pid int) []string
	live      func(b *bench, pid int) []string // writes lines to the terminal; nil if it does not
	attached  string                           // part of its line on stderr that says it watches
	bystander bool                             // it watches another process than the load
}

const watching = "pidwire: watching"

var toolset = map[string]tool{
	"pidwire-w": {
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys", "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached: watching,
	},
	"pidwire-msg": { // calls, packets and messages
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys,pkt,msg", "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached: watching,
	},
	"pidwire-said": { // calls and messages, without packets
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys,msg", "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached: watching,
	},
	"pidwire-pkt": {
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys,pkt", "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached: watching,
	},
	"pidwire-text": {
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys", "-p", strconv.Itoa(pid), "-o", filepath.Join(b.dir, "out.txt")}
		},
		live: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys", "-p", strconv.Itoa(pid)}
		},
		attached: watching,
	},
	"pidwire-krn": { // named events
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "krn", "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached: watching,
	},
	"pidwire-kprobe": engineTool("kprobe"),
	"pidwire-graph":  engineTool("function_graph"),
	"pidwire-stacks": engineTool("stacks"),
	"function_graph": graphTool,
	"pidwire-other-krn": {
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "krn", "-p", strconv.Itoa(pid), "-w", filepath.Join(b.dir, "out.pidwire")}
		},
		attached:  watching,
		bystander: true,
	},
	"pidwire-other": {
		args: func(b *bench, pid int) []string {
			return []string{b.pidwire, "trace", "-l", "sys", "-p", strconv.Itoa(pid), "-o", filepath.Join(b.dir, "out.txt")}
		},
		attached:  watching,
		bystander: true,
	},
	"empty": emptyTool,
	"strace": {
		args: func(b *bench, pid int) []string {
			return []string{"strace", "-f", "-e", "trace=network", "-o", "/dev/null", "-p", strconv.Itoa(pid)}
		},
		live: func(b *bench, pid int) []string {
			return []string{"strace", "-f", "-e", "trace=network", "-p", strconv.Itoa(pid)}
		},
		attached: "attached",
	},
}

func toolNames() []string { return slices.Sorted(maps.Keys(toolset)) }

// run is the result of one run of the load.
type run struct {
	ops     int64
	nsPerOp float64
	cpu     time.Duration // of the tool
	lost    uint64        // events, as reported by the tool
}

// loaded is a load that is ready or running.
type loaded struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	pid   int // of the process to watch
}

// start starts a load that waits for finish.
func (b *bench) start(mode string, how ...string) (*loaded, error) {
	args := append([]string{mode, "-w"}, how...)
	if b.cpu >= 0 {
		args = append(args, "-c", strconv.Itoa(b.cpu))
	}
	l := &loaded{cmd: exec.Command(b.load, args...)}
	l.cmd.Stderr = os.Stderr
	var err error
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.lines = bufio.NewScanner(out)
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	if !l.lines.Scan() {
		return nil, errors.Join(errors.New("the load did not start"), l.cmd.Wait())
	}
	if _, err := fmt.Sscanf(l.lines.Text(), "ready %d", &l.pid); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

func (l *loaded) release() error {
	_, err := io.WriteString(l.stdin, "\n")
	return err
}

// finish lets a waiting load begin, and reads its result.
func (l *loaded) finish() (run, error) {
	var r run
	if err := l.release(); err != nil {
		l.stop()
		return r, err
	}
	var name string
	l.lines.Scan()
	_, err := fmt.Sscanf(l.lines.Text(), "%s n=%d ns_per_op=%f", &name, &r.ops, &r.nsPerOp)
	return r, errors.Join(err, l.cmd.Wait())
}

// stop ends a load that still waits, or that runs endlessly: the client by its pid; the server then
// sees the end of the stream.
func (l *loaded) stop() {
	l.stdin.Close()
	if p, err := os.FindProcess(l.pid); err == nil && l.pid > 0 {
		p.Kill()
	}
	l.cmd.Wait()
}

func (b *bench) length() []string {
	return []string{"-t", strconv.FormatFloat(b.seconds, 'g', -1, 64)}
}

func (b *bench) plain(mode string) (run, error) {
	l, err := b.start(mode, b.length()...)
	if err != nil {
		return run{}, err
	}
	return l.finish()
}

func (b *bench) watched(mode, name string) (run, error) {
	l, err := b.start(mode, b.length()...)
	if err != nil {
		return run{}, err
	}
	t, pid := toolset[name], l.pid
	if t.bystander {
		other, err := b.start("tick", "-n", "1")
		if err != nil {
			l.stop()
			return run{}, err
		}
		defer other.stop()
		pid = other.pid
	}
	w, err := watch(t.attached, t.args(b, pid))
	if err != nil {
		l.stop()
		return run{}, err
	}
	r, err := l.finish()
	cpu, stopErr := w.stop()
	r.cpu, r.lost = cpu, w.lost()
	return r, errors.Join(err, stopErr)
}

// watcher is a running tool.
type watcher struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when stderr has ended
	mu   sync.Mutex
	text []string // its lines on stderr
}

// attachLimit is the limit for a tool to attach. strace takes milliseconds, the verifier seconds
// under emulation.
const attachLimit = 120 * time.Second

// watch starts a tool and returns when it watches.
func watch(attached string, args []string) (*watcher, error) {
	w := &watcher{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan struct{})
	go func() {
		defer close(w.done)
		seen := false
		for sc := bufio.NewScanner(stderr); sc.Scan(); {
			w.mu.Lock()
			w.text = append(w.text, sc.Text())
			w.mu.Unlock()
			if !seen && strings.Contains(sc.Text(), attached) {
				seen = true
				close(ready)
			}
		}
	}()
	var why string
	select {
	case <-ready:
		return w, nil
	case <-w.done:
		why = "it ended"
	case <-time.After(attachLimit):
		why = "it did not attach in time"
	}
	w.stop()
	return nil, fmt.Errorf("%s: %s: %s", args[0], why, strings.Join(w.text, "\n"))
}

// stop ends the tool as a user would, and returns the CPU time that it used.
func (w *watcher) stop() (time.Duration, error) {
	// It may have ended by itself, with its target.
	w.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(attachLimit, func() { w.cmd.Process.Kill() })
	<-w.done
	w.cmd.Wait()
	if !kill.Stop() {
		return 0, errors.New("the tool had to be killed")
	}
	s := w.cmd.ProcessState
	return s.UserTime() + s.SystemTime(), nil
}

var number = regexp.MustCompile(`[0-9]+`)

// lost adds up the losses that the tool reports on stderr: the numbers after the word, as in "--- 9
// calls in 2 s · lost sys 17, output 3".
func (w *watcher) lost() (n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.text {
		_, behind, found := strings.Cut(line, "lost ")
		if !found {
			continue
		}
		for _, digits := range number.FindAllString(behind, -1) {
			if v, err := strconv.ParseUint(digits, 10, 64); err == nil {
				n += v
			}
		}
	}
	return n
}
