package cli

import (
	"fmt"
	"time"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/pipeline"
)

// counts prints the summary line at the end of a run. With drops it counts only dropped packets.
func (a *app) counts(r pipeline.Result, d time.Duration, drops bool) {
	var dropped uint64
	for _, n := range r.Dropped {
		dropped += n
	}
	lost, seen := fmt.Sprintf("lost sys %d", r.Lost[event.LayerSys]), fmt.Sprintf("%d calls", r.Calls)
	if r.Packets > 0 || r.Lost[event.LayerPkt] > 0 {
		seen += fmt.Sprintf(", %d packets", r.Packets)
		lost += fmt.Sprintf(", pkt %d", r.Lost[event.LayerPkt])
	}
	switch {
	case drops:
		lost, seen = fmt.Sprintf("lost %d", r.Lost[event.LayerKrn]), fmt.Sprintf("%d drops", r.Events)
	case r.Events > 0 || r.Lost[event.LayerKrn] > 0:
		seen += fmt.Sprintf(", %d kernel events", r.Events)
		lost += fmt.Sprintf(", krn %d", r.Lost[event.LayerKrn])
	}
	if r.Audits > 0 || r.Lost[event.LayerAud] > 0 {
		seen += fmt.Sprintf(", %d audit events", r.Audits)
		lost += fmt.Sprintf(", aud %d", r.Lost[event.LayerAud])
	}
	if r.Said > 0 {
		seen += fmt.Sprintf(", %d messages", r.Said)
	}
	if dropped > 0 {
		lost += fmt.Sprintf(", output %d", dropped)
	}
	fmt.Fprintf(a.stderr, "--- %s in %s · %s\n", seen, d.Round(time.Millisecond), lost)
}

func lostAny(r pipeline.Result) bool {
	for _, d := range r.Dropped {
		if d > 0 {
			return true
		}
	}
	return r.Lost != [event.Layers]uint64{}
}
