package decode_test

import (
	"io"
	"testing"

	"github.com/pidwire/pidwire/internal/bounded"
	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/flow"
	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/sink/conns"
	"github.com/pidwire/pidwire/internal/sink/jsonl"
	"github.com/pidwire/pidwire/internal/sink/ladder"
	"github.com/pidwire/pidwire/internal/sink/pcapng"
	"github.com/pidwire/pidwire/internal/sink/summary"
	"github.com/pidwire/pidwire/internal/sink/text"
	"github.com/pidwire/pidwire/internal/source/replay/replaytest"
	"github.com/pidwire/pidwire/internal/wire"
)

// FuzzRecord checks that no record makes the decoder, the flow or a sink panic. Recordings of
// other machines are hostile input.
func FuzzRecord(f *testing.F) {
	var h wire.Header
	replaytest.Each(f, "../../testdata/rec/*.pidwire", func(of wire.Header, records []wire.Record) {
		h = of
		var last []byte
		for _, r := range records {
			f.Add([]byte(r), last)
			last = r
		}
	})
	line := "type=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=42 pid=7 comm=6120 exe=\"/x\" key=\"k\"\ntype=SOCKADDR msg=audit(1.000:2): saddr=020014667C41961E0000000000000000"
	ofCall := wire.Audit{Pid: 7, Abi: wire.AbiX8664, Nr: 42, Ret: -111, Flags: wire.AuditCall, Args: [4]uint64{3, 1, 16}}
	f.Add([]byte(audited(ofCall, line)), []byte(audited(wire.Audit{Pid: 7}, "type=AVC msg=audit(1.000:3): avc:  denied  { connect } for pid=7")))
	f.Add([]byte(audited(wire.Audit{Pid: 7, Flags: wire.AuditMissing}, "")), []byte(audited(wire.Audit{Pid: 7, Flags: wire.AuditMissing | wire.AuditCall}, "")))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		file, err := pcapng.New(io.Discard, pcapng.Options{Header: []byte("h")})
		if err != nil {
			t.Fatal(err)
		}
		dec, join := decode.New(h), flow.New(new(bounded.Room))
		sinks := []sink.Sink{
			text.New(io.Discard, text.Options{Names: true}), jsonl.New(io.Discard, jsonl.Options{}),
			conns.New(io.Discard, conns.Options{All: true}), ladder.New(io.Discard, ladder.Options{Conn: 1}), file,
			summary.New(io.Discard, false),
		}
		for _, r := range [][]byte{one, two, one} {
			if len(r) < wire.SizeHdr {
				continue // sources reject such records
			}
			var e event.Entry
			dec.Record(wire.Record(r), &e.Event)
			join.Add(&e)
			for _, s := range sinks {
				if err := s.Write(&e); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, s := range sinks {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
