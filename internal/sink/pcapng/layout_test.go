package pcapng

import (
	"testing"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/wire"
)

// TestLayout compares the offsets in records with internal/wire.
func TestLayout(t *testing.T) {
	const owner = wire.OffPacketOwner
	for name, c := range map[string][2]int{
		"time":           {offTime, 8},
		"owner's cookie": {offOwnerCookie, owner + wire.OffOwnerCookie}, "start": {offStart, owner + wire.OffOwnerStart},
		"owner's time": {offOwnerTime, owner + wire.OffOwnerTime}, "how": {offHow, owner + wire.OffOwnerHow},
		"comm": {offComm, owner + wire.OffOwnerComm}, "end of comm": {endComm, owner + wire.SizeOwner},
		"flags": {offFlags, wire.OffPacketFlags}, "size": {sizePacket, wire.SizePacket}, "old": {howOld, wire.OwnerOld}, "wire": {1, wire.PacketWire}, "handed": {2, wire.PacketHanded}, "claimed": {4, wire.PacketClaimed}, "matched": {8, wire.PacketMatched}, "shared": {16, wire.PacketShared},
		"what of a process": {offWhat, wire.OffProcWhat}, "found": {found, wire.ProcFound},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d here, %d in wire", name, c[0], c[1])
		}
	}
	h := wire.Hdr{Time: 0x0102030405060708}
	if b := h.Append(nil); le.Uint64(b[offTime:]) != h.Time {
		t.Errorf("the time is not where it should be: %x", b)
	}
}

// TestPreambleBound checks that a preamble drops what has ended, and is bounded.
func TestPreambleBound(t *testing.T) {
	k := newPreamble(1000)
	raw := make([]byte, 100)
	process := func(pid uint32, what event.ProcWhat) {
		e := event.Entry{Event: event.Event{Task: event.Task{Proc: event.Proc{PID: pid}, Comm: "x"}, Body: &event.Process{What: what}, Raw: raw}}
		k.add(&e)
	}
	live := func() (n int) {
		bytes := 0
		for i, it := range k.list {
			if it.raw == nil {
				continue
			}
			n++
			bytes += len(it.raw)
			if k.at[it.key] != i {
				t.Fatalf("item %d is said to be at %d", i, k.at[it.key])
			}
			if it.key.kind == ofProcess && it.raw[offWhat] != found {
				t.Fatalf("a process of another file is %d, want found", it.raw[offWhat])
			}
		}
		if bytes != k.bytes || n != len(k.at) {
			t.Fatalf("%d bytes in %d items, said are %d in %d", bytes, n, k.bytes, len(k.at))
		}
		return n
	}
	for pid := range uint32(20) {
		process(pid, event.Fork)
	}
	if n := live(); n != 10 {
		t.Errorf("%d records, there is room for 10", n)
	}
	for pid := range uint32(20) {
		process(pid, event.Exit)
	}
	if n := live(); n != 0 || len(k.procs) != 0 {
		t.Errorf("%d records, %d processes, when all have ended", n, len(k.procs))
	}
	for i := range 1000 { // the same processes over and over
		process(uint32(i%3), event.Exec)
	}
	if n := live(); n != 3 || len(k.list) > 8 {
		t.Errorf("%d records in a list of %d, want 3", n, len(k.list))
	}
	for i := range uint64(3) {
		k.add(&event.Entry{Event: event.Event{Body: &event.SockFound{Sock: event.Sock{ID: event.SockID{Inode: 10 + i, Cookie: i}}}, Raw: raw}})
	}
	k.add(&event.Entry{Event: event.Event{Body: &event.Call{}}, Conn: &event.Conn{ID: event.SockID{Inode: 11, Cookie: 77}, Closed: true}})
	if n := live(); n != 5 {
		t.Errorf("%d records, when one of three sockets was closed, want 5", n)
	}
	before := k.bytes
	for i := range 2 * maxHosts {
		k.learn(addr(i), "x")
	}
	if len(k.hosts) != maxHosts || k.bytes != before {
		t.Errorf("%d names", len(k.hosts))
	}
}
