package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The numbers of measurements of a start, and of calls.
const (
	starts = 5
	ticks  = 15
)

// latency measures the time from the start of a tool to its first line on a terminal, and from a
// call to its line.
func (b *bench) latency(name string) (bool, error) {
	t := toolset[name]
	if t.live == nil {
		return true, nil
	}
	var first []time.Duration
	for range starts {
		d, err := b.firstLine(t)
		if err != nil {
			return false, fmt.Errorf("first line of %s: %w", name, err)
		}
		first = append(first, d)
	}
	calls, err := b.callToLine(t)
	if err != nil {
		return false, fmt.Errorf("latency of %s: %w", name, err)
	}
	ok := times(name, "start to first line", first, firstLineBound)
	return times(name, "call to line on a terminal", calls, latencyBound) && ok, nil
}

func times(name, what string, v []time.Duration, bound time.Duration) bool {
	slices.Sort(v)
	verdict := "PASS"
	if v[len(v)/2] > bound {
		verdict = "over"
	}
	fmt.Printf("%-14s %-28s median %6.1f ms [%.1f..%.1f], bound %d ms  %s\n", name, what,
		ms(v[len(v)/2]), ms(v[0]), ms(v[len(v)-1]), bound.Milliseconds(), verdict)
	return verdict == "PASS"
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// firstLine measures the time from the start of the tool to its first line about a busy process.
func (b *bench) firstLine(t tool) (time.Duration, error) {
	l, err := b.start("pp", "-t", "10")
	if err != nil {
		return 0, err
	}
	defer l.stop()
	if err := l.release(); err != nil {
		return 0, err
	}
	began := monotonic()
	s, err := onTerminal(t.live(b, l.pid))
	if err != nil {
		return 0, err
	}
	defer s.stop()
	for line := range s.lines {
		if strings.Contains(line.text, "sendto(") || strings.Contains(line.text, "recvfrom(") {
			return line.at - began, nil
		}
	}
	return 0, fmt.Errorf("no line")
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

var tickNumber = regexp.MustCompile(`"tick-([0-9]+)\.`)

// callToLine measures the times from calls to their lines.
func (b *bench) callToLine(t tool) ([]time.Duration, error) {
	l, err := b.start("tick", "-n", strconv.Itoa(ticks))
	if err != nil {
		return nil, err
	}
	defer l.stop()
	s, err := onTerminal(t.live(b, l.pid))
	if err != nil {
		return nil, err
	}
	defer s.stop()
	// The tool must be attached: the ticks are few and slow.
	time.Sleep(time.Second)
	if err := l.release(); err != nil {
		return nil, err
	}
	made := make(map[int]time.Duration)
	for l.lines.Scan() {
		var n int
		var at int64
		if _, err := fmt.Sscanf(l.lines.Text(), "tick %d %d", &n, &at); err == nil {
			made[n] = time.Duration(at)
		}
	}
	time.Sleep(latencyBound * 3)
	s.stop()
	var out []time.Duration
	for line := range s.lines {
		m := tickNumber.FindStringSubmatch(line.text)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		if at, found := made[n]; found {
			// The first line that contains it, since the datagram is also received.
			out = append(out, line.at-at)
			delete(made, n)
		}
	}
	if len(made) != 0 {
		return nil, fmt.Errorf("%d of %d calls are not on the terminal", len(made), ticks)
	}
	return out, nil
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// session is a tool whose output goes to a terminal.
type session struct {
	cmd     *exec.Cmd
	lines   chan stamped // closed when the terminal is closed
	stopped bool
}

// stamped is a line with the time at which it was read.
type stamped struct {
	at   time.Duration
	text string
}

func onTerminal(args []string) (*session, error) {
	master, slave, err := openPTY()
	if err != nil {
		return nil, err
	}
	// Room for all output that may arrive while nobody reads: a full terminal would block the
	// tool, and with it the measurement.
	s := &session{cmd: exec.Command(args[0], args[1:]...), lines: make(chan stamped, 1<<16)}
	s.cmd.Stdout, s.cmd.Stderr = slave, slave
	err = s.cmd.Start()
	slave.Close()
	if err != nil {
		master.Close()
		return nil, err
	}
	go func() {
		defer close(s.lines)
		defer master.Close()
		r := bufio.NewReader(master)
		for {
			text, err := r.ReadString('\n')
			if err != nil {
				// EIO: the tool has closed its end.
				return
			}
			select {
			case s.lines <- stamped{monotonic(), colour.ReplaceAllString(text, "")}:
			default:
			}
		}
	}()
	return s, nil
}

func (s *session) stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	s.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(attachLimit, func() { s.cmd.Process.Kill() })
	s.cmd.Wait()
	kill.Stop()
}

// openPTY opens a terminal of 200 columns in raw mode.
func openPTY() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200})
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}
