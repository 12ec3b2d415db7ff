//go:build linux

package bpf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pidwire/pidwire/internal/foreign/ktrace"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// graphWatch has the threads of a process traced by function_graph.
func (s *Source) graphWatch(pid uint32) error {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return err
	}
	for _, dir := range tasks {
		tid, err := strconv.ParseUint(filepath.Base(dir), 10, 32)
		if err != nil {
			continue
		}
		if err := s.k.graph.Watch(uint32(tid)); err != nil {
			if _, gone := os.Stat(dir); gone != nil {
				continue // it has ended
			}
			return fmt.Errorf("tracing functions of thread %d: %w", tid, err)
		}
	}
	return nil
}

// drainGraph passes on what is in the ring and what function_graph tells, by
// time: a call comes behind what was done in it. What is told of the time since
// the ring was read stays for the next look, with its calls.
func (s *Source) drainGraph(last bool, emit func(wire.Record) error) (n int, err error) {
	at := now()
	s.ringed = s.ringed[:0]
	if n, err = s.each(func(r wire.Record) error {
		s.ringed = append(s.ringed, bytes.Clone(r))
		return nil
	}); err != nil {
		return n, err
	}
	keep := func(r wire.Record) error {
		s.graphed = append(s.graphed, bytes.Clone(r))
		return nil
	}
	if err := s.k.graph.Read(func(l *ktrace.Line) error { return s.graphLine(l, keep) }); err != nil {
		return n, err
	}
	g := s.graphed
	upTo := func(t uint64) error {
		for len(g) > 0 && g[0].Time() <= t {
			if err := emit(g[0]); err != nil {
				return err
			}
			g = g[1:]
		}
		return nil
	}
	for _, r := range s.ringed {
		if err := upTo(min(at, r.Time())); err != nil {
			return n, err
		}
		if err := s.pass(r, emit); err != nil {
			return n, err
		}
	}
	if last {
		at = 1<<64 - 1
	}
	err = upTo(at)
	s.graphed = append(s.graphed[:0], g...)
	return n, err
}

// graphLine makes a record of a line.
func (s *Source) graphLine(l *ktrace.Line, emit func(wire.Record) error) error {
	f := wire.Func{H: wire.Hdr{Kind: wire.KindFunc, Layer: wire.LayerKrn, Time: uint64(l.Time.NS)}, Depth: uint16(min(max(l.Depth, 0), 1<<15)), Cpu: uint16(max(l.CPU, 0))}
	switch l.Kind {
	case ktrace.Enter:
		f.What = wire.FuncEnter
	case ktrace.Leave:
		f.What = wire.FuncLeave
	case ktrace.Leaf:
		f.What = wire.FuncLeaf
	case ktrace.Lost:
		return s.lostGraph(l, emit)
	default:
		return nil
	}
	f.Ip = s.k.byName[string(l.Name)]
	f.Dur = uint64(max(l.Dur, 0))
	o, ok := s.threadOf(l.PID)
	if f.Ip == 0 || !ok || l.Time.Clock != ktrace.Boot {
		return nil
	}
	f.Owner = *o
	f.Owner.Time = f.H.Time
	r := wire.Seal(f.Append(s.buf[:0]))
	if err := s.funcName(r, emit); err != nil {
		return err
	}
	// funcName has used the memory of records.
	return emit(wire.Seal(f.Append(s.buf[:0])))
}

func (s *Source) lostGraph(l *ktrace.Line, emit func(wire.Record) error) error {
	lost := wire.Lost{H: wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerKrn, Time: now()}, Count: max(l.Count, 1), Reason: wire.LostRing}
	return emit(wire.Seal(lost.Append(s.buf[:0])))
}

// maxThreads bounds how many threads are remembered.
const maxThreads = 4096

// threadOf says who a thread is, false where it is not of a watched process.
func (s *Source) threadOf(tid uint32) (*wire.Owner, bool) {
	if o := s.threads[tid]; o != nil {
		return o, s.pids[o.Pid]
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return nil, false
	}
	_, rest, ok := bytes.Cut(b, []byte("\nTgid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	pid, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 10, 32)
	if !ok || err != nil || !s.pids[uint32(pid)] {
		return nil, false
	}
	p, err := proc.Default.Read(uint32(pid))
	if err != nil {
		return nil, false
	}
	if s.threads == nil || len(s.threads) >= maxThreads {
		s.threads = map[uint32]*wire.Owner{}
	}
	o := &wire.Owner{Start: p.Start, Pid: p.PID, Tid: tid, Nspid: p.NSPID, Uid: p.UID, How: wire.OwnerUsed}
	copy(o.Comm[:len(o.Comm)-1], p.Comm)
	s.threads[tid] = o
	return o, true
}
