package why

import (
	"fmt"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// unix judges sockets of AF_UNIX and netlink.
func (j *judgement) unix() {
	for _, c := range j.list {
		switch c.Family {
		case afUnix:
			j.unixSocket(c)
		case afNetlink:
			if f := c.failedCall("ENOBUFS"); f != nil && f.role.Has(event.Receives) {
				j.add(&finding{
					Verdict: event.Verdict{
						Cause: "netlink-overflow", Count: f.hits.n, Text: "the kernel had more netlink messages than the socket holds: some are lost",
						Evidence: evidences(f.hits.first, f.hits.last), Try: []string{"read faster", "a larger SO_RCVBUF"},
					},
					at: f.hits.first.Time, until: f.hits.last.Time, task: c.task, conn: c, fails: true, object: c,
				})
			}
		}
	}
}

func (j *judgement) unixSocket(c *conn) {
	path := c.peer()
	if j.costly(c.stuckFor) {
		j.add(&finding{
			Verdict: event.Verdict{
				Cause: "unix-peer-not-reading", Cost: c.stuckFor, Count: c.stuck.n, Text: fmt.Sprintf("the reader of %s does not read: sending waited %s", path, since(c.stuckFor)),
				Evidence: evidences(c.stuck.first, c.stuck.last), Try: []string{"the daemon behind it: is it stuck? ss -xp"},
			},
			at: c.stuck.first.Time, until: c.stuck.last.Time + c.stuckFor, task: c.task, conn: c, about: path, exact: 4, object: c,
		})
	}
	for i := range c.errors {
		f := &c.errors[i]
		v := event.Verdict{Count: f.hits.n, Evidence: evidences(f.hits.first, f.hits.last)}
		cost := int64(0)
		switch {
		case f.role.Has(event.Connects) && optional(path):
			continue
		case f.role.Has(event.Connects) && f.errno == "ENOENT":
			v.Cause, v.Text = "unix-socket-missing", "there is no socket "+path
			v.Try = []string{"start the server; is the path right?"}
		case f.role.Has(event.Connects) && f.errno == "ECONNREFUSED":
			v.Cause, v.Text = "unix-socket-refused", "nobody listens on "+path+", which a server has left"
			v.Try = []string{"start the server again, or remove the file"}
		case f.role.Has(event.Connects) && (f.errno == "EACCES" || f.errno == "EPERM") && f.refused:
			v.Cause, v.Text = "denied-by-policy", "seccomp refuses the connection to "+path
			v.Try = []string{"SystemCallFilter= of the service"}
		case f.role.Has(event.Connects) && (f.errno == "EACCES" || f.errno == "EPERM"):
			v.Cause, v.Text = "unix-socket-denied", "the process may not connect to "+path
			v.Try = []string{"its owner, group and mode, and those of the folders above: namei -l " + quoted(path)}
		case f.role.Has(event.Connects) && (f.errno == "EAGAIN" || f.errno == "EWOULDBLOCK"):
			v.Cause, v.Text = "unix-backlog-full", fmt.Sprintf("the server of %s does not accept: its queue is full, connect waited %s", path, since(f.took))
			v.Try = []string{"the server: is it stuck? a larger backlog in listen()"}
			cost = f.took
		case f.role.Has(event.Sends) && (f.errno == "EAGAIN" || f.errno == "EWOULDBLOCK" || f.errno == "ENOBUFS"):
			v.Cause, v.Text = "unix-peer-not-reading", "the reader of "+path+" does not read: nothing more can be sent"
			v.Try = []string{"the daemon behind it: is it stuck? ss -xp"}
			cost = f.took
		case f.role.Has(event.Sends) && f.errno == "EPIPE":
			v.Cause, v.Text = "write-after-close", "the peer of "+path+" had closed"
		default:
			continue
		}
		v.Cost = cost
		j.add(&finding{Verdict: v, at: f.hits.first.Time, until: f.hits.last.Time + f.took, task: c.task, conn: c, fails: true, about: path, exact: 5, object: c})
	}
}

// quoted returns a word that a shell takes as it is: verdicts are pasted, and paths are of anybody.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// optional reports whether a program looks for a socket that need not be there: libc's cache of names.
func optional(path string) bool { return strings.HasSuffix(path, "/nscd/socket") }
