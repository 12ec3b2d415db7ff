package pipeline

import (
	"testing"

	"github.com/pidwire/pidwire/internal/sink"
	"github.com/pidwire/pidwire/internal/wire"
)

// TestBatchOfLargeRecords checks that the size of a batch in bytes is limited, whatever the
// sizes of its records, because queued batches determine the memory use.
func TestBatchOfLargeRecords(t *testing.T) {
	const n = 200
	for _, size := range []int{1 << 10, 60 << 10, 65 << 10, 100 << 10, 300 << 10} {
		p := &run{Config: Config{Sinks: []sink.Sink{nil}}, records: make(chan *batch, n+1)}
		p.cur = p.newBatch()
		head := wire.Note{H: wire.Hdr{Kind: wire.KindNote}}
		rec := wire.Seal(append(head.Append(nil), make([]byte, size)...))
		for range n {
			if err := p.emit(rec); err != nil {
				t.Fatal(err)
			}
		}
		p.send(true)
		close(p.records)
		total := 0
		for b := range p.records {
			sum := 0
			for _, r := range b.recs {
				sum += len(r)
			}
			if sum > batchBytes+len(rec) {
				t.Errorf("records of %d bytes: a batch of %d", size, sum)
			}
			total += len(b.recs)
		}
		if total != n {
			t.Errorf("records of %d bytes: %d of %d", size, total, n)
		}
	}
}
