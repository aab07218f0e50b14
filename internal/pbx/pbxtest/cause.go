package pbxtest

import (
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// AsteriskCause is callee.AsteriskCause in the port's type.
func AsteriskCause(sip int) pbx.Cause { return pbx.Cause(callee.AsteriskCause(sip)) }
