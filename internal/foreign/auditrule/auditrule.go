// Package auditrule parses a command line of auditctl(8) that adds a rule for system calls, in the
// current syntax and in older ones, and explains it.
package auditrule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rule is a parsed rule.
type Rule struct {
	Arch  string   // "b64", "b32", another name; empty: that of the machine
	Calls []string // names or numbers; empty: all
	PID   uint32   // 0: any
	PPID  uint32
	User  string // of uid, euid or auid; empty: any
	Exe   string
	Key   string
	Never bool // the rule suppresses records
	// Fields are the other -F options, Compares the -C options. They restrict the rule further.
	Fields, Compares []string
	// Says explains each part of the line, in order.
	Says []Part
}

// Part is a part of the line and its meaning.
type Part struct{ Text, Means string }

// maxWords is the maximum number of words of a line.
const maxWords = 256

// Parse parses a line of words separated by blanks, perhaps quoted, with or without auditctl as the
// first word. The error names the word and the cause.
func Parse(line string) (*Rule, error) {
	words, err := split(line)
	if err != nil {
		return nil, err
	}
	if len(words) > 0 && (words[0] == "auditctl" || strings.HasSuffix(words[0], "/auditctl")) {
		words = words[1:]
	}
	r := &Rule{}
	added := false
	for len(words) > 0 {
		flag := words[0]
		words = words[1:]
		// -Fpid=1 is the same as -F pid=1.
		if len(flag) > 2 && flag[0] == '-' && flag[1] != '-' {
			words = append([]string{flag[2:]}, words...)
			flag = flag[:2]
		}
		if len(words) == 0 {
			return nil, fmt.Errorf("%s has no value", flag)
		}
		value := words[0]
		words = words[1:]
		switch flag {
		case "-a", "-A":
			if err := r.list(flag, value); err != nil {
				return nil, err
			}
			added = true
		case "-F":
			if err := r.field(value); err != nil {
				return nil, err
			}
		case "-S":
			r.calls(value)
		case "-k":
			r.Key = value
			r.say("-k "+value, "the key of each record; ausearch -k "+value+" finds them")
		case "-C":
			r.Compares = append(r.Compares, value)
			r.say("-C "+value, "compares two fields: restricts the rule; pidwire does not use it")
		default:
			return nil, fmt.Errorf("%s is not part of a rule for system calls (-a, -A, -S, -F, -C, -k)", flag)
		}
	}
	if !added {
		return nil, fmt.Errorf("not a rule: expected -a always,exit")
	}
	return r, nil
}

func (r *Rule) say(text, means string) { r.Says = append(r.Says, Part{text, means}) }

// list parses the action and the list, in either order.
func (r *Rule) list(flag, value string) error {
	first, second, ok := strings.Cut(value, ",")
	if !ok {
		return fmt.Errorf("%s %s: expected an action and a list, such as always,exit", flag, value)
	}
	action, list := first, second
	if action != "always" && action != "never" && action != "possible" {
		action, list = second, first
	}
	switch action {
	case "always":
	case "never":
		r.Never = true
	case "possible":
		r.say(flag+" "+value, "possible no longer exists: it allocated a record without writing it")
		return nil
	default:
		return fmt.Errorf("%s %s: no action (always, never)", flag, value)
	}
	means := ""
	switch list {
	case "exit":
		means = "records each matching call when it returns"
	case "entry":
		means = "the kernel no longer has the entry list, and auditctl refuses it: use always,exit"
	case "task", "user", "exclude", "filesystem", "io_uring":
		return fmt.Errorf("%s %s: rules of the list %s do not match system calls", flag, value, list)
	default:
		return fmt.Errorf("%s %s: no list %q (exit)", flag, value, list)
	}
	if r.Never {
		means = "suppresses records of matching calls"
	}
	r.say(flag+" "+value, means)
	return nil
}

func (r *Rule) field(value string) error {
	i := strings.IndexAny(value, "=!<>&")
	if i <= 0 {
		return fmt.Errorf("-F %s: expected a field, an operator and a value, such as pid=1234", value)
	}
	name, op := value[:i], value[i:]
	op = op[:len(op)-len(strings.TrimLeft(op, "=!<>&"))]
	v := value[i+len(op):]
	text := "-F " + value
	if op != "=" && name != "arch" {
		r.Fields = append(r.Fields, value)
		r.say(text, "narrows the rule, and is not used here")
		return nil
	}
	switch name {
	case "arch":
		r.Arch = v
		switch v {
		case "b64":
			r.say(text, "64-bit calls only: does not match 32-bit programs on this machine")
		case "b32":
			r.say(text, "32-bit calls only: does not match 64-bit programs")
		default:
			r.say(text, "calls of this architecture only")
		}
	case "pid", "ppid":
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || n == 0 {
			return fmt.Errorf("%s: %q is not a process id", text, v)
		}
		if name == "pid" {
			r.PID = uint32(n)
			r.say(text, "this process with all its threads, but not its children")
		} else {
			r.PPID = uint32(n)
			r.say(text, "the children of this process, but not their children")
		}
	case "uid", "euid", "auid":
		r.User = v
		r.say(text, map[string]string{"uid": "processes of this user", "euid": "processes with the effective user id of this user", "auid": "processes of the user who logged in as this user"}[name])
	case "exe":
		r.Exe = v
		r.say(text, "processes that run this program")
	case "key":
		r.Key = v
		r.say(text, "the key of each record")
	default:
		r.Fields = append(r.Fields, value)
		r.say(text, "narrows the rule, and is not used here")
	}
	return nil
}

func (r *Rule) calls(value string) {
	names := strings.Split(value, ",")
	r.Calls = append(r.Calls, names...)
	switch {
	case slices.Contains(names, "all"):
		r.say("-S "+value, "all system calls")
	case slices.Contains(names, "socketcall"):
		r.say("-S "+value, "the call through which 32-bit x86 programs make all socket calls; since Linux 4.3 some use socket, connect and others directly, which this rule does not match; 64-bit programs do not have it")
	default:
		r.say("-S "+value, "these calls")
	}
}

// Today returns the rule in the current syntax of auditctl. calls has the names of the calls by which
// -S socketcall of an old rule is replaced.
func (r *Rule) Today(calls []string) string {
	action := "always"
	if r.Never {
		action = "never"
	}
	b := "auditctl -a " + action + ",exit"
	if r.Arch != "" {
		b += " -F arch=" + r.Arch
	}
	names := slices.Clone(r.Calls)
	if i := slices.Index(names, "socketcall"); i >= 0 {
		names = slices.Concat(names[:i+1], calls, names[i+1:])
	}
	if len(names) > 0 {
		b += " -S " + strings.Join(names, ",")
	}
	for _, f := range []struct {
		name string
		v    uint32
	}{{"pid", r.PID}, {"ppid", r.PPID}} {
		if f.v != 0 {
			b += fmt.Sprintf(" -F %s=%d", f.name, f.v)
		}
	}
	if r.User != "" {
		b += " -F uid=" + r.User
	}
	if r.Exe != "" {
		b += " -F exe=" + r.Exe
	}
	for _, f := range r.Fields {
		b += " -F " + f
	}
	for _, c := range r.Compares {
		b += " -C " + c
	}
	if r.Key != "" {
		b += " -k " + r.Key
	}
	return b
}

// split splits a line into words, with quotes like a shell.
func split(line string) (words []string, err error) {
	var word strings.Builder
	in := false
	quote := rune(0)
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(c)
			in = true
		}
		if len(words) > maxWords {
			return nil, fmt.Errorf("more than %d words", maxWords)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("unterminated quote: %c", quote)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
