//go:build linux

package load

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/pidwire/pidwire/internal/source/bpf/object"
)

// loadUring attaches the programs at the io_uring tracepoints, whose arguments on this
// kernel it reads from BTF.
func (k *Kernel) loadUring(c Config) {
	err := func() error {
		submitTP, submit, complete, err := uringVariant(k.types)
		if err != nil {
			return err
		}
		spec, o, err := object.Open[object.UringSpecs](object.LoadUring)
		if err != nil {
			return err
		}
		if err := errors.Join(o.CfgSubmit.Set(submit), o.CfgComplete.Set(complete)); err != nil {
			return err
		}
		wanted := []*ebpf.ProgramSpec{o.UringComplete, o.UringSubmit}
		const full = "io_uring_cqe_overflow" // since 5.19; before, overflows pass io_uring_complete
		overflow := k.hasTracepoint(full)
		if overflow {
			types, err := k.types.Kernel()
			if err != nil {
				return err
			}
			p, err := tracepointProto(types, full)
			if err != nil {
				return err
			}
			cqe := uint8(0)
			if len(p.Params) > 2 && pointsTo(p.Params[2].Type, "") {
				cqe = 1
			}
			if err := o.CfgOverflowCqe.Set(cqe); err != nil {
				return err
			}
			wanted = append(wanted, o.UringOverflow)
		}
		progs, err := k.load(c, spec, nil, wanted...)
		if err != nil {
			return err
		}
		if overflow {
			if err := k.rawTracepoint(full, progs[2]); err != nil {
				return err
			}
		}
		if err := k.rawTracepoint("io_uring_complete", progs[0]); err != nil {
			return err
		}
		if err := k.rawTracepoint(submitTP, progs[1]); err != nil {
			return err
		}
		k.Works.Uring = true
		if submit == submitCtx {
			k.note(nil, "io_uring requests are shown without their socket, which this kernel's tracepoint does not report", "")
		}
		return nil
	}()
	if err != nil {
		k.note(err, "io_uring requests are not shown", "")
	}
}

// The variants of the io_uring tracepoints, numbered as in bpf/uring.bpf.c.
const (
	submitCtx, submitCtxReq, submitReq       = uint8(1), uint8(2), uint8(3)
	completeCtx, completeCtxReq, completeCqe = uint8(1), uint8(2), uint8(3)
)

func uringVariant(types *btf.Cache) (tp string, submit, complete uint8, err error) {
	spec, err := types.Kernel()
	if err != nil {
		return "", 0, 0, err
	}
	for _, tp = range []string{"io_uring_submit_req", "io_uring_submit_sqe"} {
		p, err := tracepointProto(spec, tp)
		if err != nil {
			continue
		}
		// The first parameter of each is a void * for the tracepoint itself.
		switch {
		case len(p.Params) >= 2 && pointsTo(p.Params[1].Type, "io_kiocb"):
			submit = submitReq
		case len(p.Params) >= 4 && pointsTo(p.Params[2].Type, ""):
			submit = submitCtxReq
		case len(p.Params) >= 4:
			submit = submitCtx
		}
		break
	}
	if submit == 0 {
		return "", 0, 0, errors.New("no io_uring submission tracepoint")
	}
	p, err := tracepointProto(spec, "io_uring_complete")
	if err != nil {
		return "", 0, 0, err
	}
	switch {
	case len(p.Params) >= 4 && pointsTo(p.Params[3].Type, "io_uring_cqe"):
		complete = completeCqe
	case len(p.Params) >= 5 && pointsTo(p.Params[2].Type, ""):
		complete = completeCtxReq
	case len(p.Params) >= 4:
		complete = completeCtx
	default:
		return "", 0, 0, errors.New("unknown arguments of io_uring_complete")
	}
	if submit == submitCtx && complete != completeCtx || submit == submitReq && complete == completeCtx {
		return "", 0, 0, errors.New("this kernel's tracepoints cannot be paired")
	}
	return tp, submit, complete, nil
}

func tracepointProto(spec *btf.Spec, tp string) (*btf.FuncProto, error) {
	var t *btf.Typedef
	if err := spec.TypeByName("btf_trace_"+tp, &t); err != nil {
		return nil, err
	}
	ptr, ok := t.Type.(*btf.Pointer)
	if !ok {
		return nil, fmt.Errorf("%s: not a pointer", tp)
	}
	fp, ok := ptr.Target.(*btf.FuncProto)
	if !ok {
		return nil, fmt.Errorf("%s: not a function", tp)
	}
	return fp, nil
}

// pointsTo reports whether t is a pointer; if name is not empty, to that struct.
func pointsTo(t btf.Type, name string) bool {
	p, ok := btf.UnderlyingType(t).(*btf.Pointer)
	if !ok || name == "" {
		return ok
	}
	s, ok := btf.UnderlyingType(p.Target).(*btf.Struct)
	return ok && s.Name == name
}
