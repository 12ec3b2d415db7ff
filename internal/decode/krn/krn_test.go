package krn

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/wire"
)

// show formats an event as one line without columns.
func show(e *event.Kernel) string {
	b := []byte(e.Name)
	for _, f := range e.Fields {
		b = append(append(append(b, ' '), f.Name...), '=')
		b = notation.AppendTape(b, f.Val, nil)
	}
	if e.HasRet {
		b = fmt.Appendf(b, " -> %d%s", e.Ret64, e.Errno)
	}
	if e.Func != "" {
		b = fmt.Appendf(b, " in %s", e.Func)
	}
	return string(b)
}

func four(a, b, c, d byte) []byte { return append([]byte{a, b, c, d}, make([]byte, 12)...) }

// TestEvents checks the text of each event for various arguments.
func TestEvents(t *testing.T) {
	d := New()
	d.Iface = func(netns uint64, index uint32) string {
		if netns == 77 && index == 2 {
			return "eth0"
		}
		return ""
	}
	d.Learn(wire.NameDrop, 6, "SOCKET_RCVBUFF")
	d.Learn(wire.NameReset, 1, "NO_SOCKET")
	d.Learn(wire.NameUser, 6, "nobody")
	d.Symbol(0, 0xffff, 3, "tcp_v4_rcv", "")
	neg := func(n int64) uint64 { return uint64(-n) }
	ten := four(10, 0, 0, 5)
	for _, test := range []struct {
		event uint16
		args  [6]uint64
		addrs []byte
		want  string
	}{
		{wire.EventSend, [6]uint64{5}, nil, "sock:send -> 5"},
		{wire.EventSend, [6]uint64{neg(11), 0x40}, nil, "sock:send flags=MSG_DONTWAIT -> -11EAGAIN"},
		{wire.EventReceive, [6]uint64{}, nil, "sock:receive -> 0"},
		{wire.EventReady, [6]uint64{7, 1, 6}, nil, "sock:ready unread=7"},
		{wire.EventReady, [6]uint64{0, 2, 17}, nil, "sock:ready packets=2"},
		{wire.EventReady, [6]uint64{0, 0, 6, 3}, nil, "sock:ready waiting=3"},
		{wire.EventError, [6]uint64{111, 7, 6}, nil, "sock:error error=ECONNREFUSED state=CLOSE"},
		{wire.EventError, [6]uint64{111, 1, 17}, nil, "sock:error error=ECONNREFUSED"},
		{wire.EventError, [6]uint64{9999, 99, 6}, nil, "sock:error error=9999"},
		{wire.EventWait, [6]uint64{1000, wire.WaitSndbuf, 10, 20}, nil, "sock:sndbuf-wait queued=10 sndbuf=20"},
		{wire.EventWait, [6]uint64{1000, wire.WaitData, 0, 0, 0, 30}, nil, "sock:rcvbuf-wait rcvbuf=30"},
		{wire.EventWait, [6]uint64{1000, wire.WaitConnect}, nil, "sock:connect-wait"},
		{wire.EventWait, [6]uint64{1000, wire.WaitAccept}, nil, "sock:accept-wait"},
		{wire.EventWait, [6]uint64{1000, 99}, nil, "sock:wait"},
		{wire.EventMemory, [6]uint64{5, 1}, nil, "sock:memory-limit pages=5 to=receive"},
		{wire.EventQueueFull, [6]uint64{0, 2304, 4096, neg(12)}, nil, "sock:rcvqueue-full queued=2304 rcvbuf=4096 error=ENOMEM"},
		{wire.EventQueueFull, [6]uint64{100, 2304, 4096}, nil, "sock:rcvqueue-full length=100 queued=2304 rcvbuf=4096"},
		{wire.EventAcceptFull, [6]uint64{2, 1, 2, 4711, 2}, ten, "tcp:listen-overflow waiting=2 backlog=1 flags=S from=10.0.0.5:4711"},
		{wire.EventAcceptFull, [6]uint64{2, 1, 2, 80, 2, 1}, ten, "tcp:listen-overflow waiting=2 backlog=1 flags=S listener=10.0.0.5:80"},
		{wire.EventGap, [6]uint64{5000, 1000, 0, 3000, 500, 230 | wire.AbiX8664<<32}, nil, "task:gap cpu=500ns ready=1us clock_nanosleep=3us other=500ns"},
		{wire.EventGap, [6]uint64{5000, 0, 0, 5000, 0, 202 | wire.GapTimed | wire.AbiX8664<<32}, nil, "task:gap futex-timeout=5us"},
		{wire.EventGap, [6]uint64{5000, 0, 4000, 2000, 0, 4711 | wire.AbiArm64<<32}, nil, "task:gap disk=4us asleep=2us"},
		{wire.EventSkbQueue, [6]uint64{66, 2}, nil, "skb:queue length=66 dev=eth0"},
		{wire.EventSkbSend, [6]uint64{66, 3}, nil, "skb:send length=66 dev=3"},
		{wire.EventSkbReceive, [6]uint64{5, 6, 100 | 0x18<<32, 10 | 0x7fffffff<<32, 68 | 500<<32, 7 | 600<<32}, nil,
			"skb:receive length=5 flags=P. seq=100 cwnd=10 srtt=68us unacked=7 sndwnd=600 rcvwnd=500"},
		{wire.EventSkbReceive, [6]uint64{5, 6, 0, 10 | 5<<32}, nil, "skb:receive length=5 flags=none seq=0 cwnd=10 ssthresh=5 unacked=0 sndwnd=0 rcvwnd=0"},
		{wire.EventSkbReceive, [6]uint64{52, 17}, nil, "skb:receive length=52"},
		{wire.EventSkbCopy, [6]uint64{5, 9}, nil, "skb:copy length=5 of=9"},
		{wire.EventSkbDrop, [6]uint64{6, 0xffff, 9, 17, 80 | 90<<16}, append(four(1, 2, 3, 4), ten...),
			"skb:drop reason=SOCKET_RCVBUFF length=9 protocol=udp local=1.2.3.4:80 peer=10.0.0.5:90 in tcp_v4_rcv"},
		{wire.EventSkbDrop, [6]uint64{0, 0xbeef, 9, 6 | 1<<32, 80 | 90<<16, 0x12}, make([]byte, 32),
			"skb:drop length=9 protocol=tcp flags=S. local=[::]:80 peer=[::]:90 at=0xbeef"},
		{wire.EventSkbDrop, [6]uint64{99, 0, 9}, nil, "skb:drop reason=99 length=9"},
		{wire.EventRetransmit, [6]uint64{100, 5, 2, 1, 1 | 5<<32, 40}, nil, "tcp:retransmit seq=100 length=5 attempt=2 state=ESTABLISHED cwnd=1 ssthresh=5 srtt=40us"},
		{wire.EventSynackAgain, [6]uint64{4711, 1, 2}, ten, "tcp:retransmit-synack to=10.0.0.5:4711 attempt=1"},
		{wire.EventRstSent, [6]uint64{1, 80 | 90<<16}, nil, "tcp:reset-sent reason=NO_SOCKET to_port=90"},
		{wire.EventRstSent, [6]uint64{0, 0, 7}, nil, "tcp:reset-sent state=CLOSE"},
		{wire.EventRstReceived, [6]uint64{2}, nil, "tcp:reset-received state=SYN_SENT"},
		{wire.EventCongestion, [6]uint64{4, 1}, nil, "tcp:congestion state=Loss cwnd=1 ssthresh=0"},
		{wire.EventCongestion, [6]uint64{9, 1}, nil, "tcp:congestion state=9 cwnd=1 ssthresh=0"},
		{wire.EventIcmpSent, [6]uint64{3, 3, 40, 2}, nil, "icmp:send type=unreachable code=port about=40"},
		{wire.EventIcmpSent, [6]uint64{1, 4, 40, 10}, nil, "icmp:send type=unreachable code=port about=40"},
		{wire.EventIcmpSent, [6]uint64{11, 1, 40, 2}, nil, "icmp:send type=time-exceeded code=1 about=40"},
		{wire.EventRoute, [6]uint64{0, 254, 2, 2}, append(ten, four(10, 0, 0, 1)...), "route:lookup to=10.0.0.5 table=main dev=eth0 via=10.0.0.1"},
		{wire.EventRoute, [6]uint64{neg(11), 255, 0, 2}, append(ten, four(0, 0, 0, 0)...), "route:lookup to=10.0.0.5 table=local found=nothing"},
		{wire.EventRoute, [6]uint64{neg(101), 100, 0, 2}, append(ten, four(0, 0, 0, 0)...), "route:failed to=10.0.0.5 table=100 -> -101ENETUNREACH"},
		{wire.EventNeighNew, [6]uint64{2, 2}, ten, "neigh:create address=10.0.0.5 dev=eth0"},
		{wire.EventNeighAsked, [6]uint64{1, 1, 2, 2}, ten, "neigh:lookup address=10.0.0.5 dev=eth0 state=INCOMPLETE"},
		{wire.EventNeighFailed, [6]uint64{6, 2, 2}, ten, "neigh:failed address=10.0.0.5 dev=eth0 asked=6"},
		{wire.EventNeighFound, [6]uint64{1, 2, 2}, ten, "neigh:found address=10.0.0.5 dev=eth0"},
		{999, [6]uint64{1}, nil, "unknown"},
	} {
		k := wire.Kernel{Event: test.event, Args: test.args, Netns: 77}
		if got := show(d.Event(&k, &wire.KernelTail{Addrs: test.addrs})); got != test.want {
			t.Errorf("event %d: got  %s\nwant %s", test.event, got, test.want)
		}
	}
	// Every event has a name.
	for i := wire.EventSend; i <= wire.EventNeighFound; i++ {
		k := wire.Kernel{Event: uint16(i)}
		if e := d.Event(&k, &wire.KernelTail{}); e.Name == "unknown" {
			t.Errorf("event %d has no name", i)
		}
	}
}

// stack returns the encoded stack of functions, which are given outermost first.
func stack(t *testing.T, d *Decoder, functions string) []byte {
	t.Helper()
	var b []byte
	list := strings.Fields(functions)
	for i := len(list) - 1; i >= 0; i-- {
		// name+N is another address in the same function.
		name, n, _ := strings.Cut(list[i], "+")
		base := uint64(0x1000)
		for _, c := range []byte(name) {
			base = base*31 + uint64(c)<<12
		}
		off := uint64(1 + len(n))
		d.Symbol(0, base+off, off, name, "")
		b = binary.LittleEndian.AppendUint64(b, base+off)
	}
	return b
}

// TestGrow checks the new part of stacks: open functions are not entered again, and each call
// starts with an empty stack.
func TestGrow(t *testing.T) {
	d := New()
	own := func(functions string) string {
		k := wire.Kernel{Event: wire.EventStep, Context: wire.ContextTask, Owner: wire.Owner{Tid: 5}}
		return path(d.Event(&k, &wire.KernelTail{Kernel: stack(t, d, functions)}))
	}
	soft := func(owner, on uint32, functions string) string {
		k := wire.Kernel{Event: wire.EventReady, Context: wire.ContextSoftirq, Owner: wire.Owner{Tid: owner}, OnTid: on}
		return path(d.Event(&k, &wire.KernelTail{Kernel: stack(t, d, functions)}))
	}
	const in = "entry_SYSCALL_64_after_hwframe do_syscall_64 "
	for i, step := range []struct{ got, want string }{
		{own(in + "__x64_sys_sendto __sys_sendto tcp_sendmsg"), "0: __x64_sys_sendto __sys_sendto tcp_sendmsg"},
		{own(in + "__x64_sys_sendto __sys_sendto tcp_sendmsg"), "3:"},
		{own(in + "__x64_sys_sendto __sys_sendto tcp_sendmsg+x alloc"), "3: alloc"},
		{own(in + "__x64_sys_sendto __sys_sendto tcp_sendmsg+xx push xmit bpf_trace_run2 bpf_prog_1_x"), "3: push xmit"},
		// A softirq in the context of its own thread is a part of the call.
		{soft(9, 5, in+"__x64_sys_sendto __sys_sendto tcp_sendmsg+xx push xmit bh do_softirq handle_softirqs net_rx tcp_rcv"), "5: bh do_softirq handle_softirqs net_rx tcp_rcv"},
		{own(in + "__x64_sys_sendto __sys_sendto+x fput"), "2: fput"},
		{own("syscall_exit_work audit"), "0:"},
		{own(in + "__x64_sys_sendto __sys_sendto+x asm_sysvec_apic_timer_interrupt hrtimer_interrupt"), "0:"},
		// In the context of another thread only the frames of the softirq count.
		{soft(5, 77, in+"__x64_sys_read filemap handle_softirqs net_rx tcp_rcv"), "0: net_rx tcp_rcv"},
	} {
		if step.got != step.want {
			t.Errorf("step %d: got %s, want %s", i, step.got, step.want)
		}
	}
	d.Returned(5)
	if got := own(in + "__x64_sys_sendto __sys_sendto tcp_sendmsg"); got != "0: __x64_sys_sendto __sys_sendto tcp_sendmsg" {
		t.Errorf("the next call: %s", got)
	}
}

func path(e *event.Kernel) string {
	s := fmt.Sprintf("%d:", e.Around)
	for _, f := range e.Path {
		s += " " + f.Name
	}
	return s
}

func BenchmarkEvent(b *testing.B) {
	d := New()
	var a event.Arena
	d.Use(&a)
	k := wire.Kernel{Event: wire.EventSkbReceive, Args: [6]uint64{5, 6, 100 | 0x18<<32, 10, 68, 7}, Context: wire.ContextTask}
	b.ReportAllocs()
	for i := range b.N {
		if i%256 == 0 {
			a.Reset()
			d.Use(&a)
		}
		d.Event(&k, &wire.KernelTail{})
	}
}
