//go:build linux

// Package graph makes records of what ftrace's function_graph tells of the
// functions that threads go through.
package graph

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/proc"
	"github.com/pidwire/pidwire/internal/wire"
)

// Graph is the functions of the watched processes. Its methods are for one
// goroutine.
type Graph struct {
	tracer  *ftrace.Tracer
	kernel  *load.Names
	proc    proc.FS
	watched func(pid uint32) bool
	tell    func(r wire.Record, emit Emit) error // which function a record is of

	begins  map[uint64]uint64      // where functions begin, by what function_graph tells
	threads map[uint32]*wire.Owner // by tid
	buf     []byte
}

// Emit is where records go; each is good for the call.
type Emit = func(wire.Record) error

// New returns the functions that t tells of. watched says which processes are,
// and tell is called before each record.
func New(t *ftrace.Tracer, n *load.Names, f proc.FS, watched func(pid uint32) bool, tell func(r wire.Record, emit Emit) error) *Graph {
	return &Graph{tracer: t, kernel: n, proc: f, watched: watched, tell: tell, begins: map[uint64]uint64{}, threads: map[uint32]*wire.Owner{}}
}

// Watch has the threads of a process traced.
func (g *Graph) Watch(pid uint32) error {
	tasks, err := filepath.Glob(g.proc.Path(pid, "task/*"))
	if err != nil {
		return err
	}
	for _, dir := range tasks {
		tid, err := strconv.ParseUint(filepath.Base(dir), 10, 32)
		if err != nil {
			continue
		}
		if err := g.tracer.Watch(uint32(tid)); err != nil {
			if _, gone := os.Stat(dir); gone != nil {
				continue // it has ended
			}
			return fmt.Errorf("tracing functions of thread %d: %w", tid, err)
		}
	}
	return nil
}

// Forget drops what is known of a process that has ended.
func (g *Graph) Forget(pid uint32) { delete(g.threads, pid) }

// Fill reads what was told up to a time, CLOCK_MONOTONIC ns, and returns how much
// of it was lost.
func (g *Graph) Fill(upTo uint64) (lost uint64, err error) { return g.tracer.Fill(upTo) }

// Changed says what somebody else has done to the trace, empty if nothing.
func (g *Graph) Changed() string { return g.tracer.Changed() }

// UpTo emits the functions of the time up to t that Fill has read.
func (g *Graph) UpTo(t uint64, emit Emit) error {
	for {
		e, ok := g.tracer.Next(t)
		if !ok {
			return nil
		}
		if err := g.event(&e, emit); err != nil {
			return err
		}
	}
}

// event makes a record of what function_graph tells.
func (g *Graph) event(e *ftrace.Event, emit Emit) error {
	o, ok := g.threadOf(e.TID)
	if !ok {
		return nil
	}
	f := wire.Func{H: wire.Hdr{Kind: wire.KindFunc, Layer: wire.LayerKrn, Time: e.Time}, Owner: *o, Depth: e.Depth, Cpu: e.CPU, Dur: e.Dur}
	f.Owner.Time = e.Time
	f.What = [...]uint8{ftrace.Enter: wire.FuncEnter, ftrace.Leave: wire.FuncLeave, ftrace.Leaf: wire.FuncLeaf}[e.Kind]
	if f.Ip = g.begins[e.Func]; f.Ip == 0 {
		_, offset, ok := g.kernel.Symbols.Find(e.Func)
		if !ok {
			return nil
		}
		f.Ip = e.Func - offset
		g.begins[e.Func] = f.Ip
		g.kernel.Protos[f.Ip] = "void" // it tells of no results
	}
	g.buf = wire.Seal(f.Append(g.buf[:0]))
	if err := g.tell(wire.Record(g.buf), emit); err != nil {
		return err
	}
	return emit(wire.Record(g.buf))
}

// maxThreads bounds how many threads are remembered.
const maxThreads = 4096

// threadOf says who a thread is, false where it is not of a watched process.
func (g *Graph) threadOf(tid uint32) (*wire.Owner, bool) {
	if o := g.threads[tid]; o != nil {
		return o, g.watched(o.Pid)
	}
	b, err := os.ReadFile(g.proc.Path(tid, "status"))
	if err != nil {
		return nil, false
	}
	_, rest, ok := bytes.Cut(b, []byte("\nTgid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	pid, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 10, 32)
	if !ok || err != nil || !g.watched(uint32(pid)) {
		return nil, false
	}
	p, err := g.proc.Read(uint32(pid))
	if err != nil {
		return nil, false
	}
	if len(g.threads) >= maxThreads {
		clear(g.threads)
	}
	o := &wire.Owner{Start: p.Start, Pid: p.PID, Tid: tid, Nspid: p.NSPID, Uid: p.UID, How: wire.OwnerUsed}
	copy(o.Comm[:len(o.Comm)-1], p.Comm)
	g.threads[tid] = o
	return o, true
}
