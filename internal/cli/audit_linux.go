package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pidwire/pidwire/internal/collect"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/source/audit"
	"github.com/pidwire/pidwire/internal/source/ftrace"
	"github.com/pidwire/pidwire/internal/source/proc"
)

// auditStarted reports to stderr how audit is used, and which targets it cannot see.
func (l *liveRun) auditStarted(src collect.Live, aud *audit.Source) {
	w := l.app.stderr
	if err := aud.Sync(); err != nil {
		fmt.Fprintf(w, "pidwire: %v: some calls have no audit record\n", err)
	}
	if !l.t.view.quiet {
		fmt.Fprintf(w, "pidwire: %s\n", aud.Mode())
	}
	blind, err := src.Unaudited()
	if err != nil {
		fmt.Fprintf(w, "pidwire: cannot determine whether audit sees the targets: %v\n", err)
	}
	const most = 8 // named one by one
	for i, pid := range sorted(blind) {
		if i == most {
			fmt.Fprintf(w, "pidwire: nor %d other processes\n", len(blind)-most)
			break
		}
		name := "?"
		if p, err := proc.Default.Read(pid); err == nil {
			name = p.Comm
		}
		fmt.Fprintf(w, "pidwire: audit cannot see %s[%d]: it started before audit was first enabled since boot; restart it, or boot with audit=1\n", clean.Name(name), pid)
	}
}

func sorted(threads map[uint32][]uint32) (pids []uint32) {
	for pid := range threads {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// examineAudit checks the state of Linux audit.
func examineAudit() finding {
	f := finding{Layer: "aud", State: "ok", What: "audit records: rules by netlink, records by multicast"}
	now, left, err := audit.Probe()
	switch {
	case err != nil:
		f.State, f.What = "off", "audit records are not available"
		f.Cause = []string{strings.TrimPrefix(err.Error(), audit.ErrAudit.Error()+": ")}
		return f
	case now.Enabled == 2:
		f.State = "degraded"
		f.Cause = append(f.Cause, "audit's rules are locked until the next boot (auditctl -e 2)")
	case now.Enabled == 0:
		f.What += "; audit is disabled, and is enabled for the run: it may not see processes that are already running"
	}
	if now.PID != 0 {
		f.What += fmt.Sprintf("; its daemon is process %d", now.PID)
	}
	if left > 0 {
		f.State = "degraded"
		f.Cause = append(f.Cause, fmt.Sprintf("%d rules of a killed run are still loaded", left))
		f.Fix = append(f.Fix, "pidwire doctor --clean (the next run with -l aud does it too)")
	}
	return f
}

// clean removes the traces and audit rules that killed runs have left.
func (a *app) clean() error {
	traces, err := ftrace.Clean()
	if err != nil {
		return explain(err)
	}
	if traces > 0 {
		if _, err := fmt.Fprintf(a.stdout, "removed %d traces of functions\n", traces); err != nil {
			return err
		}
	}
	done, err := audit.Clean()
	if err != nil {
		return explain(fmt.Errorf("%w: %w", audit.ErrAudit, err))
	}
	restored := ""
	if done.Restored {
		restored = "; audit settings restored"
	}
	_, err = fmt.Fprintf(a.stdout, "removed %d audit rules%s\n", done.Rules, restored)
	return err
}
