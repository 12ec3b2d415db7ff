package decode

import (
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/foreign/ktrace"
)

var kernelWhat = [...]event.KernelWhat{
	ktrace.Enter: event.KernelEnter, ktrace.Leave: event.KernelLeave, ktrace.Leaf: event.KernelLeaf,
	ktrace.Call: event.KernelCall, ktrace.Event: event.KernelEvent,
}

var tracers = [4]event.Tracer{ktrace.SystemTap: event.SystemTap, ktrace.Ftrace: event.Ftrace, ktrace.DTrace: event.DTrace}

// kernel decodes a line of a kernel tracer: SystemTap, ftrace or DTrace.
func (d *Decoder) kernel(line []byte, ev *event.Event) {
	l := &d.traced
	if err := ktrace.Parse(line, l); err != nil || int(l.Kind) >= len(kernelWhat) || kernelWhat[l.Kind] == 0 {
		ev.Body = &event.Note{Degraded: true, Text: "not a line of a kernel tracer: " + string(line)}
		return
	}
	k := &event.Kernel{
		What: kernelWhat[l.Kind], Tracer: tracers[l.Format%4], Name: string(l.Name), Module: string(l.Module), Func: string(l.Func),
		Depth: l.Depth, Args: string(l.Args), Ret: string(l.Ret), HasRet: l.HasRet, Dur: -1,
		Local: l.Local, Peer: l.Peer, Bytes: l.Bytes, Flags: string(l.Flags), From: string(l.Old), To: string(l.New), Text: string(l.Text),
	}
	if l.HasDur {
		k.Dur = l.Dur
	}
	switch l.Dir {
	case ktrace.Out:
		k.Dir = event.DirOut
	case ktrace.In:
		k.Dir = event.DirIn
	}
	ev.Body = k
}
