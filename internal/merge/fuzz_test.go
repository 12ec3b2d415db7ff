package merge_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pidwire/pidwire/internal/merge"
	"github.com/pidwire/pidwire/internal/source/replay/replaytest"
	"github.com/pidwire/pidwire/internal/wire"
)

// FuzzMerge checks that records with any content and in any order are emitted intact, and that the
// number of each kind is unchanged, except for records that merge adds and audit records that are
// joined. merge gets records of recordings before they are decoded.
func FuzzMerge(f *testing.F) {
	replaytest.Each(f, "../../testdata/rec/*.pidwire", func(_ wire.Header, records []wire.Record) {
		var some []byte
		for _, r := range records {
			if some = append(some, r...); len(some) > 4096 {
				f.Add(some, false)
				some = nil
			}
		}
		f.Add(some, false)
	})
	one := call("connect", 10*ms, 20*ms)
	f.Add(bytes.Join([][]byte{one, recorded(one, 1, 15*ms), covers(200, 5*ms), recorded(one, 2, 25*ms), one, upto(30 * ms)}, nil), true)
	f.Fuzz(func(t *testing.T, b []byte, joins bool) {
		in, out := map[uint16]int{}, map[uint16]int{}
		m := merge.New(func(r wire.Record) error {
			if len(r) < wire.SizeHdr || int(binary.LittleEndian.Uint32(r)) != len(r) {
				t.Errorf("a record of kind %d with %d bytes says that it has %d", r.Kind(), len(r), binary.LittleEndian.Uint32(r))
			}
			out[r.Kind()]++
			return nil
		})
		if joins {
			m.JoinAudit()
		}
		for len(b) >= wire.SizeHdr {
			n := int(binary.LittleEndian.Uint32(b))
			if n < wire.SizeHdr || n > len(b) {
				break // sources reject such records
			}
			r := wire.Record(b[:n:n])
			in[r.Kind()]++
			if err := m.Add(r); err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		if err := m.Flush(); err != nil {
			t.Fatal(err)
		}
		for kind, n := range in {
			if out[kind] < n && kind != wire.KindAudit {
				t.Errorf("%d of %d records of kind %d came out", out[kind], n, kind)
			}
		}
	})
}
