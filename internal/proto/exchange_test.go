package proto_test

import (
	"testing"

	"github.com/pidwire/pidwire/internal/proto"
)

// TestQueueFull checks that a queue that was full gives no answer to another request.
func TestQueueFull(t *testing.T) {
	for _, before := range []int{0, 3} {
		var q proto.Queue
		for range before {
			q.Push(proto.Exchange{})
			q.Pop()
		}
		const n = 300
		for i := range n {
			q.Push(proto.Exchange{ID: uint64(i) + 1})
		}
		if q.Len() != n || q.First() != nil || q.Last().ID != n {
			t.Errorf("%d requests, the first one is %v", q.Len(), q.First())
		}
		known := 0
		for i := range n {
			switch x := q.Pop(); x.ID {
			case 0:
			case uint64(i) + 1:
				known++
			default:
				t.Fatalf("answer %d is given to request %d", i+1, x.ID)
			}
		}
		if known != 128 || q.Len() != 0 || q.Held() > 20<<10 {
			t.Errorf("%d requests known, %d left, %d bytes", known, q.Len(), q.Held())
		}
	}
}
