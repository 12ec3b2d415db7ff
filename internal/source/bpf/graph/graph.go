//go:build linux

// Package graph makes records from the output of ftrace's function_graph tracer: the
// kernel functions that threads call.
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

// Graph traces the functions of the watched processes. It is not safe for concurrent
// use.
type Graph struct {
	tracer  *ftrace.Tracer
	kernel  *load.Names
	proc    proc.FS
	watched func(pid uint32) bool
	tell    func(r wire.Record, emit Emit) error // emits the name of the function of a record

	begins  map[uint64]uint64      // start addresses of functions, by the addresses that function_graph prints
	threads map[uint32]*wire.Owner // by tid
	buf     []byte
}

// Emit receives records, which are valid until it returns.
type Emit = func(wire.Record) error

// New returns a Graph that reads from t. watched reports whether a process is watched;
// tell is called for each record before it is emitted.
func New(t *ftrace.Tracer, n *load.Names, f proc.FS, watched func(pid uint32) bool, tell func(r wire.Record, emit Emit) error) *Graph {
	return &Graph{tracer: t, kernel: n, proc: f, watched: watched, tell: tell, begins: map[uint64]uint64{}, threads: map[uint32]*wire.Owner{}}
}

// Watch starts to trace the threads of a process.
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
				continue // the thread has ended
			}
			return fmt.Errorf("tracing functions of thread %d: %w", tid, err)
		}
	}
	return nil
}

// Forget removes the cached data of a process that has ended.
func (g *Graph) Forget(pid uint32) { delete(g.threads, pid) }

// Fill reads the events up to a time, CLOCK_MONOTONIC ns, and returns how many were
// lost.
func (g *Graph) Fill(upTo uint64) (lost uint64, err error) { return g.tracer.Fill(upTo) }

// Changed describes a change of the trace that another process has made; empty if there is none.
func (g *Graph) Changed() string { return g.tracer.Changed() }

// UpTo emits records for the events up to time t that Fill has read.
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

// event emits a record for an event.
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
		g.kernel.Protos[f.Ip] = "void" // function_graph has no return values
	}
	g.buf = wire.Seal(f.Append(g.buf[:0]))
	if err := g.tell(wire.Record(g.buf), emit); err != nil {
		return err
	}
	return emit(wire.Record(g.buf))
}

// maxThreads is the maximum number of cached threads.
const maxThreads = 4096

// threadOf returns the owner data of a thread, and false if its process is not watched.
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
