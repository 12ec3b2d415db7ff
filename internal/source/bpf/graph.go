//go:build linux

package bpf

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pidwire/pidwire/internal/source/ftrace"
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
func (s *Source) drainGraph(emit func(wire.Record) error) (n int, err error) {
	s.ringed = s.ringed[:0]
	if n, err = s.each(func(r wire.Record) error {
		s.ringed = append(s.ringed, bytes.Clone(r))
		return nil
	}); err != nil {
		return n, err
	}
	upTo := now()
	lost, err := s.k.graph.Fill(upTo)
	if err != nil {
		return n, err
	}
	if lost > 0 {
		l := wire.Lost{H: wire.Hdr{Kind: wire.KindLost, Layer: wire.LayerKrn, Time: upTo}, Count: lost, Reason: wire.LostRing}
		if err := emit(wire.Seal(l.Append(s.buf[:0]))); err != nil {
			return n, err
		}
	}
	for _, r := range s.ringed {
		if err := s.graphed(min(upTo, r.Time()), emit); err != nil {
			return n, err
		}
		if err := s.pass(r, emit); err != nil {
			return n, err
		}
	}
	return n, s.graphed(upTo, emit)
}

// graphed passes on the functions of the time up to t.
func (s *Source) graphed(t uint64, emit func(wire.Record) error) error {
	for {
		e, ok := s.k.graph.Next(t)
		if !ok {
			return nil
		}
		if err := s.graphEvent(&e, emit); err != nil {
			return err
		}
	}
}

// graphEvent makes a record of what function_graph tells.
func (s *Source) graphEvent(e *ftrace.Event, emit func(wire.Record) error) error {
	o, ok := s.threadOf(e.TID)
	if !ok {
		return nil
	}
	f := wire.Func{H: wire.Hdr{Kind: wire.KindFunc, Layer: wire.LayerKrn, Time: e.Time}, Owner: *o, Depth: e.Depth, Cpu: e.CPU, Dur: e.Dur}
	f.Owner.Time = e.Time
	f.What = [...]uint8{ftrace.Enter: wire.FuncEnter, ftrace.Leave: wire.FuncLeave, ftrace.Leaf: wire.FuncLeaf}[e.Kind]
	if f.Ip = s.k.begins[e.Func]; f.Ip == 0 {
		_, offset, ok := s.k.names.syms.Find(e.Func)
		if !ok {
			return nil
		}
		f.Ip = e.Func - offset
		s.k.begins[e.Func] = f.Ip
		s.k.names.protos[f.Ip] = "void" // it tells of no results
	}
	if err := s.funcName(wire.Seal(f.Append(s.buf[:0])), emit); err != nil {
		return err
	}
	// funcName has used the memory of records.
	return emit(wire.Seal(f.Append(s.buf[:0])))
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
