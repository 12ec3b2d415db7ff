//go:build linux

package load

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/ksyms"
)

// Kinds of arguments, enum arg in bpf/tree.bpf.c.
const (
	argValue = 1
	argSock  = 2
	argSkb   = 3
)

// maxFunctions is the maximum number of traced functions (the map functions in
// bpf/tree.bpf.c).
const maxFunctions = 8192

// The ways to trace kernel functions: probes at their entries and returns
// (kprobe.session, kprobe.multi), ftrace's function_graph, and stacks taken at
// tracepoints.
const (
	EngineProbes = "kprobe"
	EngineGraph  = "function_graph"
	EngineStacks = "stacks"
)

// Engines lists them, the most detailed one first.
var Engines = []string{EngineProbes, EngineGraph, EngineStacks}

// ErrEngine means that the requested engine is not available.
var ErrEngine = errors.New("engine of the tree")

// loadTree starts to trace functions at their entries and returns. If the kernel does not
// allow that, it uses stacks at tracepoints and adds a note. It returns an error if a
// pattern matches nothing, or if a requested engine is not available.
func (k *Kernel) loadTree(c Config) error {
	if c.Engine == EngineStacks {
		k.Engine = "stacks at tracepoints: functions are marked ~>, without times, arguments and results"
		k.loadSteps(c)
		return nil
	}
	patterns := c.Functions
	if len(patterns) == 0 {
		patterns = []string{ksyms.Default}
	}
	err := k.Names.SymbolsErr
	var list []ksyms.Function
	var note string
	if err == nil {
		list, note, err = k.selected(patterns)
	}
	if err == nil {
		if err = ftrace.Enabled(); err != nil {
			list = nil // no engine works
		}
	}
	if err == nil && c.Engine != EngineGraph {
		if err = k.probeFunctions(c, list, note); err == nil {
			return nil
		}
		if errors.Is(err, ebpf.ErrNotSupported) {
			err = errors.New("this kernel has no kprobe.multi (Linux 5.18 with CONFIG_FPROBE)")
		}
		err = briefly(err)
	}
	if probes := err; list != nil && c.Engine != EngineProbes {
		if err = k.graphFunctions(list, note); err == nil {
			return nil
		}
		if probes != nil {
			err = fmt.Errorf("%w; %w", probes, err)
		}
	}
	switch {
	case errors.Is(err, ksyms.ErrPattern):
		return err
	case c.Engine != "":
		return fmt.Errorf("%w: %s is not available: %w", ErrEngine, c.Engine, err)
	case len(c.Functions) > 0:
		k.note(err, "selected functions cannot be traced here: the tree has all functions found on stacks, marked ~>", "")
	default:
		k.note(err, "the tree consists of functions found on stacks at tracepoints, marked ~>, without times, arguments and results", "")
	}
	k.loadSteps(c)
	return nil
}

// selected returns the functions that match patterns.
func (k *Kernel) selected(patterns []string) (list []ksyms.Function, note string, err error) {
	list, note, err = k.Names.Symbols.Select(patterns)
	if err == nil && len(list) > maxFunctions {
		err = fmt.Errorf("%d functions: the maximum is %d", len(list), maxFunctions)
		list = nil
	}
	return list, note, err
}

var errNotTraceable = errors.New("the kernel does not allow tracing any of these functions")

// traceable returns the functions of list that the kernel allows to trace, and their
// indexes in its list (ftrace.Traceable).
func traceable(list []ksyms.Function) (may []ksyms.Function, places []int, err error) {
	all, err := ftrace.Traceable()
	if err != nil {
		return nil, nil, err
	}
	noted := map[string]bool{}
	for _, f := range list {
		at := all[f.Name]
		if len(at) == 0 {
			continue
		}
		may = append(may, f)
		if !noted[f.Name] {
			noted[f.Name] = true
			places = append(places, at...)
		}
	}
	if len(may) == 0 {
		return nil, nil, errNotTraceable
	}
	return may, places, nil
}

// probeFunctions attaches probes to functions by kprobe.multi. If that fails it tries again
// with those that are traceable.
func (k *Kernel) probeFunctions(c Config, list []ksyms.Function, note string) error {
	err := k.traceFunctions(c, list, note)
	if err == nil || errors.Is(err, ebpf.ErrNotSupported) {
		return err
	}
	may, _, e := traceable(list)
	switch {
	case errors.Is(e, errNotTraceable):
		return e
	case e != nil || len(may) == len(list):
		return err
	}
	return k.traceFunctions(c, may, note)
}

// traceFunctions attaches probes to all functions of list, and stores their prototypes.
func (k *Kernel) traceFunctions(c Config, list []ksyms.Function, note string) error {
	engine, err := k.attachFunctions(c, list)
	if err != nil {
		return err
	}
	types, _ := k.types.Kernel()
	for _, f := range list {
		p := protoOf(types, f)
		k.Names.Protos[f.Addr] = describe(p)
		if err := k.Maps.Functions.Put(f.Addr, kindsOf(p)); err != nil {
			return fmt.Errorf("function %s: %w", f.Name, err)
		}
	}
	k.tracedBy(engine, len(list), note)
	return nil
}

func (k *Kernel) tracedBy(engine string, n int, note string) {
	k.Exact = true
	k.Engine = fmt.Sprintf("%s, %d functions", engine, n)
	if note != "" {
		k.Engine += " (" + note + ")"
	}
}

// graphFunctions traces functions by ftrace's function_graph, which has entries, returns
// and times, but no arguments.
func (k *Kernel) graphFunctions(list []ksyms.Function, note string) error {
	if _, err := ftrace.Clean(); err != nil {
		return err // traces of a killed run are in the way
	}
	list, places, err := traceable(list)
	if err != nil {
		return fmt.Errorf("function_graph: %w", err)
	}
	t, err := ftrace.Open(places)
	if err != nil {
		return fmt.Errorf("function_graph: %w", err)
	}
	k.Graph = t
	engine := "function_graph"
	if !t.Own() {
		engine = "function_graph of the top-level ftrace instance"
	}
	k.tracedBy(engine, len(list), note)
	return nil
}

// attachFunctions attaches probes to all functions of list, by one or two links. It returns the
// name of the engine.
func (k *Kernel) attachFunctions(c Config, list []ksyms.Function) (engine string, err error) {
	addrs := make([]uintptr, len(list))
	for i, f := range list {
		addrs[i] = uintptr(f.Addr)
	}
	open := func() (*ebpf.CollectionSpec, *object.TreeSpecs, error) {
		return object.Open[object.TreeSpecs](object.LoadTree)
	}
	spec, o, err := open()
	if err != nil {
		return "", err
	}
	// These maps may exist already, after a first attempt with functions that cannot be traced.
	if err := k.Maps.make(o.Functions, o.Walks, o.NoWalk); err != nil {
		return "", err
	}
	opts := link.KprobeMultiOptions{Addresses: addrs}
	if k.hasFunc("bpf_session_is_return") {
		progs, err := k.load(c, spec, nil, o.TreeSession)
		if err == nil {
			session := opts
			session.Session = true
			var l link.Link
			if l, err = link.KprobeMulti(progs[0], session); err == nil {
				k.attached(l)
				return "kprobe.session", nil
			}
		}
		if spec, o, err = open(); err != nil {
			return "", err
		}
	}
	// Without kprobe.session: one program for entries, and one for returns.
	progs, err := k.load(c, spec, nil, o.TreeLeave, o.TreeEnter)
	if err != nil {
		return "", err
	}
	leave, err := link.KretprobeMulti(progs[0], opts)
	if err != nil {
		return "", err
	}
	enter, err := link.KprobeMulti(progs[1], opts)
	if err != nil {
		leave.Close()
		return "", err
	}
	k.attached(leave)
	k.attached(enter)
	return "kprobe.multi", nil
}

// protoOf returns the prototype of a function from BTF; nil if there is none, as for functions
// of modules.
func protoOf(types *btf.Spec, f ksyms.Function) *btf.FuncProto {
	if types == nil || f.Module != "" {
		return nil
	}
	name, _, _ := strings.Cut(f.Name, ".") // .constprop.0
	var fn *btf.Func
	if types.TypeByName(name, &fn) != nil {
		return nil
	}
	p, _ := fn.Type.(*btf.FuncProto)
	return p
}

// kindsOf returns the kinds of the first 6 arguments, in 4 bits each (enum arg).
func kindsOf(p *btf.FuncProto) (kinds uint32) {
	if p == nil {
		return 0
	}
	for i, a := range p.Params {
		if i == 6 {
			break
		}
		kind := uint32(argValue)
		switch structOf(a.Type) {
		case "sock", "inet_sock", "tcp_sock", "udp_sock", "unix_sock", "inet_connection_sock":
			kind = argSock
		case "sk_buff":
			kind = argSkb
		}
		kinds |= kind << (4 * i)
	}
	return kinds
}

// structOf returns the name of the struct that a type points to, or an empty string if it is
// no pointer to a struct.
func structOf(t btf.Type) string {
	p, ok := btf.UnderlyingType(t).(*btf.Pointer)
	if !ok {
		return ""
	}
	s, ok := btf.UnderlyingType(p.Target).(*btf.Struct)
	if !ok {
		return ""
	}
	return s.Name
}

// describe formats the result and the first 6 arguments of a function for the decoder:
//
//	RESULT|NAME:TYPE|NAME:TYPE...
//
// The types are s32, u8 and so on, bool, void, ptr, sock, skb, enum{NAME=1,...}, and
// struct for all others, whose registers are not decoded.
func describe(p *btf.FuncProto) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(typeOf(p.Return))
	for i, a := range p.Params {
		if i == 6 {
			break
		}
		fmt.Fprintf(&b, "|%s:%s", a.Name, typeOf(a.Type))
	}
	return b.String()
}

// mostNames is the maximum number of names of an enum in a description.
const mostNames = 64

func typeOf(t btf.Type) string {
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Void:
		return "void"
	case *btf.Int:
		switch {
		case u.Encoding == btf.Bool:
			return "bool"
		case u.Encoding == btf.Signed:
			return fmt.Sprintf("s%d", 8*u.Size)
		}
		return fmt.Sprintf("u%d", 8*u.Size)
	case *btf.Pointer:
		switch structOf(u) {
		case "sock", "inet_sock", "tcp_sock", "udp_sock", "unix_sock", "inet_connection_sock":
			return "sock"
		case "sk_buff":
			return "skb"
		}
		return "ptr"
	case *btf.Enum:
		var names []string
		for i, v := range u.Values {
			if i == mostNames {
				break
			}
			names = append(names, fmt.Sprintf("%s=%d", v.Name, int64(v.Value)))
		}
		return "enum{" + strings.Join(names, ",") + "}"
	}
	return "struct"
}

// Function is a function of the running kernel that can be traced.
type Function struct {
	Name   string
	Module string // empty for the kernel itself
	Args   string // from BTF, as in: (sk sock, size u64) s32; empty if it has none
	Engine string // engine that would trace it
}

// Functions lists the functions that match patterns (ksyms.Table.Select), with the engine that
// would trace each. note describes how the functions of a source file were found.
func Functions(patterns []string) (list []Function, note string, err error) {
	table, err := ksyms.Read()
	if err != nil {
		return nil, "", err
	}
	found, note, err := table.Select(patterns)
	if err != nil {
		return nil, "", err
	}
	engine := EngineStacks
	switch {
	case ftrace.Enabled() != nil:
	case features.HaveBPFLinkKprobeSession() == nil:
		engine = "kprobe.session"
	case features.HaveBPFLinkKprobeMulti() == nil:
		engine = "kprobe.multi"
	case ftrace.Available() == nil:
		engine = EngineGraph
	}
	may, err := ftrace.Traceable()
	if err != nil {
		may = nil // ignored: Engine is then the same for all
	}
	types, err := btf.NewCache().Kernel()
	if err != nil {
		types = nil
	}
	for _, f := range found {
		one := Function{Name: f.Name, Module: f.Module, Engine: engine, Args: signature(protoOf(types, f))}
		if may != nil && may[f.Name] == nil {
			one.Engine = EngineStacks
		}
		list = append(list, one)
	}
	return list, note, nil
}

// signature formats the arguments and the result of a function as text to print.
func signature(p *btf.FuncProto) string {
	if p == nil {
		return ""
	}
	var args []string
	for _, a := range p.Params {
		typ, _, _ := strings.Cut(typeOf(a.Type), "{")
		args = append(args, strings.TrimSpace(a.Name+" "+typ))
	}
	result, _, _ := strings.Cut(typeOf(p.Return), "{")
	return "(" + strings.Join(args, ", ") + ") " + result
}
