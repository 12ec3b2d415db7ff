package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pidwire/pidwire/internal/foreign/auditrule"
	"github.com/pidwire/pidwire/internal/sink/clean"
	"github.com/pidwire/pidwire/internal/syscalls"
)

func (a *app) auditRuleCommand() *cobra.Command {
	t := traceFlags{layers: []string{"sys", "aud"}}
	explain := false
	cmd := &cobra.Command{
		Use:   "audit-rule 'RULE'",
		Short: "explain an auditctl rule, and watch the process or user that it matches",
		Long: `audit-rule explains each part of an auditctl rule, prints the rule in current syntax,
and watches the process or user that it matches: each call with its audit record.

  pidwire audit-rule 'auditctl -a entry,always -F arch=b32 -S socketcall -F pid=9744 -k emulator'`,
		Args: cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&explain, "explain", false, "only explain the rule")
	f.BoolVar(&t.auditWait, "audit-wait", false, "block the target when the queue is full, so that no record is lost")
	f.BoolVar(&t.auditUnicast, "audit-unicast", false, "receive the records as the audit daemon, if none is running")
	f.DurationVar(&t.span, "for", 0, "stop after this time: 10s, 5m")
	t.view.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError("audit-rule needs a rule: audit-rule 'auditctl -a always,exit -F arch=b64 -S connect -F pid=1234'")
		}
		r, err := auditrule.Parse(strings.Join(args, " "))
		if err != nil {
			return usageError("%v", err)
		}
		if a.outside() {
			a.explainRule(r)
		}
		if explain {
			return nil
		}
		names, err := ruleTargets(r)
		if err != nil {
			return err
		}
		t.noFollow = r.PPID == 0 // -F pid= matches only that process, not its children
		if set := ruleCalls(r); set != "" && !cmd.Flags().Changed("expr") {
			t.view.expr = []string{"trace=" + set}
		}
		return a.trace(cmd, &t, names, nil)
	}
	return cmd
}

// explainRule prints what each part of a rule means.
func (a *app) explainRule(r *auditrule.Rule) {
	wide := 0
	for _, p := range r.Says {
		wide = max(wide, len(p.Text))
	}
	for _, p := range r.Says {
		fmt.Fprintf(a.stderr, "  %-*s  %s\n", wide, clean.Text(p.Text), clean.Text(p.Means))
	}
	var calls []string
	for i := range syscalls.Table {
		if c := &syscalls.Table[i]; c.Audited() && c.Nr.I386 >= 0 {
			calls = append(calls, c.Name)
		}
	}
	fmt.Fprintf(a.stderr, "today: %s\n", clean.Text(r.Today(calls)))
}

// ruleCalls returns the system calls of a rule that pidwire follows, in the syntax of -e trace=;
// empty for all.
func ruleCalls(r *auditrule.Rule) string {
	var names []string
	for _, name := range r.Calls {
		switch {
		case name == "socketcall", name == "all":
			return ""
		case syscalls.ByName(name) != nil:
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ruleTargets returns the processes that a rule matches, in the syntax of targets.
func ruleTargets(r *auditrule.Rule) (names []string, err error) {
	switch {
	case r.Never:
		return nil, usageError("the rule suppresses records: there is nothing to watch")
	case r.PID != 0:
		names = append(names, fmt.Sprint(r.PID))
	case r.PPID != 0:
		names = append(names, fmt.Sprint(r.PPID))
	case r.Exe != "":
		name := r.Exe[strings.LastIndexByte(r.Exe, '/')+1:]
		if r.User != "" {
			name += "@" + r.User
		}
		names = append(names, name)
	case r.User != "":
		names = append(names, "@"+r.User)
	default:
		return nil, &exitError{
			code: exitUsage, err: errors.New("the rule matches every process of the machine"),
			hint: []string{"name one: -F pid=1234 in the rule, or pidwire trace TARGET -l sys,aud"},
		}
	}
	return names, nil
}
