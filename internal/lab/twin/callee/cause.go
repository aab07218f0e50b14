package callee

// AsteriskCause is the Q.850 cause that Asterisk 22 reports for the final SIP
// status of a failed call (measured on 22.10.1; a Reason header on the response
// does not change it).
func AsteriskCause(sip int) int {
	switch sip {
	case 486, 600:
		return 17
	case 404, 604:
		return 1
	case 480:
		return 19
	case 408:
		return 18
	case 403, 603:
		return 21
	case 410:
		return 22
	case 484:
		return 28
	case 488, 606:
		return 58
	case 500:
		return 38
	case 502:
		return 27
	case 503:
		return 34
	case 504:
		return 102
	}
	return 127
}
