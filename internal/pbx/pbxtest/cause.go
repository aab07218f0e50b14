package pbxtest

import "ringmaster/internal/pbx"

// AsteriskCause is the Q.850 cause that Asterisk 22 reports for the final SIP
// status of a failed call (measured; a Reason header on the response does not
// change it).
func AsteriskCause(sip int) pbx.Cause {
	switch sip {
	case 486, 600:
		return pbx.CauseBusy
	case 404, 604:
		return pbx.CauseUnallocated
	case 480:
		return pbx.CauseNoAnswer
	case 408:
		return pbx.CauseNoResponse
	case 403, 603:
		return pbx.CauseRejected
	case 410:
		return pbx.CauseNumberChanged
	case 484:
		return pbx.CauseInvalidFormat
	case 488, 606:
		return pbx.CauseBearer
	case 500:
		return pbx.CauseNetworkDown
	case 502:
		return pbx.CauseDestinationBroken
	case 503:
		return pbx.CauseCongestion
	case 504:
		return pbx.CauseTimer
	}
	return pbx.CauseInterworking
}
