//go:build linux

package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

var ne = binary.NativeEndian

// Status is struct audit_status (include/uapi/linux/audit.h): the settings and counters of audit.
type Status struct {
	Enabled     uint32 // 0 off, 1 on, 2 on and locked until the next boot
	Failure     uint32
	PID         uint32 // pid of the audit daemon; 0 if there is none
	RateLimit   uint32
	Backlog     uint32 // maximum number of queued records (backlog_limit)
	Lost        uint32 // records lost since boot
	Waiting     uint32 // records queued now (backlog)
	BacklogWait uint32 // jiffies that a process waits if the backlog is full; 0: records are dropped
}

// Bits of the mask of AUDIT_SET.
const (
	setEnabled     = 1
	setPID         = 4
	setBacklog     = 16
	setBacklogWait = 32
)

// control is a netlink socket for reading and changing the settings and rules of audit.
type control struct{ c *netlink.Conn }

func dial() (control, error) {
	c, err := netlink.Dial(unix.NETLINK_AUDIT, nil)
	if err != nil {
		return control{}, fmt.Errorf("opening audit: %w", err)
	}
	return control{c}, nil
}

func (c control) Close() error { return c.c.Close() }

// patience is the timeout for an answer of the kernel.
const patience = 10 * time.Second

// do sends a request and waits for its acknowledgement.
func (c control) do(kind uint16, data []byte) error {
	if err := c.c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.c.Execute(netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | netlink.Acknowledge}, Data: data})
	return why(err)
}

// ask sends a request, and returns the answer: one message, or the parts of a multipart
// message, which may be empty. It does not set NLM_F_ACK, as the acknowledgement may
// arrive before or after the answer.
func (c control) ask(kind uint16) ([]netlink.Message, error) {
	if err := c.c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	answer, err := c.c.Execute(netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request}})
	return answer, why(err)
}

// why adds to an error of the kernel what a user can do about it.
func why(err error) error {
	var op *netlink.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("audit netlink: %w (needs CAP_AUDIT_CONTROL and CAP_AUDIT_READ in the user and pid namespaces of the host)", os.ErrPermission)
	case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.EPROTONOSUPPORT):
		return fmt.Errorf("audit netlink: %w (the kernel has no audit, or was booted with audit=0, or this is a container)", err)
	}
	return err
}

func (c control) status() (s Status, err error) {
	answer, err := c.ask(unix.AUDIT_GET)
	if err != nil {
		return s, err
	}
	for _, m := range answer {
		b := m.Data
		if m.Header.Type != unix.AUDIT_GET || len(b) < 32 {
			continue
		}
		s = Status{
			Enabled: ne.Uint32(b[4:]), Failure: ne.Uint32(b[8:]), PID: ne.Uint32(b[12:]), RateLimit: ne.Uint32(b[16:]),
			Backlog: ne.Uint32(b[20:]), Lost: ne.Uint32(b[24:]), Waiting: ne.Uint32(b[28:]),
		}
		if len(b) >= 40 {
			s.BacklogWait = ne.Uint32(b[36:])
		}
		return s, nil
	}
	return s, errors.New("audit did not report its status")
}

// set changes the settings whose bits are in mask.
func (c control) set(mask uint32, s Status) error {
	b := make([]byte, 40)
	for i, v := range []uint32{mask, s.Enabled, s.Failure, s.PID, s.RateLimit, s.Backlog, 0, 0, 0, s.BacklogWait} {
		ne.PutUint32(b[4*i:], v)
	}
	return c.do(unix.AUDIT_SET, b)
}

func (c control) addRule(r *rule) error    { return c.do(unix.AUDIT_ADD_RULE, r.bytes()) }
func (c control) deleteRule(r *rule) error { return c.do(unix.AUDIT_DEL_RULE, r.bytes()) }

// rules returns all rules in the kernel.
func (c control) rules() (list []rule, err error) {
	answer, err := c.ask(unix.AUDIT_LIST_RULES)
	for _, m := range answer {
		if r, ok := parseRule(m.Data); ok && m.Header.Type == unix.AUDIT_LIST_RULES {
			list = append(list, r)
		}
	}
	return list, err
}
