package fstwin

import (
	"strings"
)

// cause is a hang-up cause by FreeSWITCH's name.
type cause string

// Causes that the twin itself decides.
const (
	none              cause = ""
	normalClearing    cause = "NORMAL_CLEARING"
	userBusy          cause = "USER_BUSY"
	noAnswer          cause = "NO_ANSWER"
	allottedTimeout   cause = "ALLOTTED_TIMEOUT"
	originatorCancel  cause = "ORIGINATOR_CANCEL"
	loseRace          cause = "LOSE_RACE"
	outOfOrder        cause = "DESTINATION_OUT_OF_ORDER"
	noRoute           cause = "NO_ROUTE_DESTINATION"
	subscriberAbsent  cause = "SUBSCRIBER_ABSENT"
	invalidGateway    cause = "INVALID_GATEWAY"
	invalidProfile    cause = "INVALID_PROFILE"
	notImplemented    cause = "CHAN_NOT_IMPLEMENTED"
	temporaryFailure  cause = "NORMAL_TEMPORARY_FAILURE"
	incompatible      cause = "INCOMPATIBLE_DESTINATION"
	mediaTimeout      cause = "MEDIA_TIMEOUT"
	managerRequest    cause = "MANAGER_REQUEST"
	blindTransfer     cause = "BLIND_TRANSFER"
	attendedTransfer  cause = "ATTENDED_TRANSFER"
	recoveryOnTimer   cause = "RECOVERY_ON_TIMER_EXPIRE"
	normalUnspecified cause = "NORMAL_UNSPECIFIED"
)

// causeNumbers are FreeSWITCH's causes with their numbers; those above 127 are
// its own.
func causeNumbers() map[cause]int {
	return map[cause]int{
		"UNALLOCATED_NUMBER": 1, "NO_ROUTE_TRANSIT_NET": 2, noRoute: 3, "CHANNEL_UNACCEPTABLE": 6, "CALL_AWARDED_DELIVERED": 7,
		normalClearing: 16, userBusy: 17, "NO_USER_RESPONSE": 18, noAnswer: 19, subscriberAbsent: 20, "CALL_REJECTED": 21,
		"NUMBER_CHANGED": 22, "REDIRECTION_TO_NEW_DESTINATION": 23, "EXCHANGE_ROUTING_ERROR": 25, outOfOrder: 27,
		"INVALID_NUMBER_FORMAT": 28, "FACILITY_REJECTED": 29, "RESPONSE_TO_STATUS_ENQUIRY": 30, normalUnspecified: 31,
		"NORMAL_CIRCUIT_CONGESTION": 34, "NETWORK_OUT_OF_ORDER": 38, temporaryFailure: 41, "SWITCH_CONGESTION": 42,
		"ACCESS_INFO_DISCARDED": 43, "REQUESTED_CHAN_UNAVAIL": 44, "PRE_EMPTED": 45, "FACILITY_NOT_SUBSCRIBED": 50,
		"OUTGOING_CALL_BARRED": 52, "INCOMING_CALL_BARRED": 54, "BEARERCAPABILITY_NOTAUTH": 57, "BEARERCAPABILITY_NOTAVAIL": 58,
		"SERVICE_UNAVAILABLE": 63, "BEARERCAPABILITY_NOTIMPL": 65, notImplemented: 66, "FACILITY_NOT_IMPLEMENTED": 69,
		"SERVICE_NOT_IMPLEMENTED": 79, "INVALID_CALL_REFERENCE": 81, incompatible: 88, "INVALID_MSG_UNSPECIFIED": 95,
		"MANDATORY_IE_MISSING": 96, "MESSAGE_TYPE_NONEXIST": 97, "WRONG_MESSAGE": 98, "IE_NONEXIST": 99, "INVALID_IE_CONTENTS": 100,
		"WRONG_CALL_STATE": 101, recoveryOnTimer: 102, "MANDATORY_IE_LENGTH_ERROR": 103, "PROTOCOL_ERROR": 111, "INTERWORKING": 127,
		"SUCCESS": 142, originatorCancel: 487, "CRASH": 500, "SYSTEM_SHUTDOWN": 501, loseRace: 502, managerRequest: 503,
		blindTransfer: 600, attendedTransfer: 601, allottedTimeout: 602, "USER_CHALLENGE": 603, mediaTimeout: 604, "PICKED_OFF": 605,
		"USER_NOT_REGISTERED": 606, "PROGRESS_TIMEOUT": 607, invalidGateway: 608, "GATEWAY_DOWN": 609, "INVALID_URL": 610,
		invalidProfile: 611, "NO_PICKUP": 612, "BOWOUT": 614, "BUSY_EVERYWHERE": 615, "DECLINE": 616, "DOES_NOT_EXIST_ANYWHERE": 617,
		"NOT_ACCEPTABLE": 618, "UNWANTED": 619,
	}
}

// causeOf reads a cause, a name or a number, as switch_channel_str2cause does:
// what it does not know is NORMAL_CLEARING.
func (ex *Exchange) causeOf(text string) cause {
	text = strings.ToUpper(strings.TrimSpace(text))
	if _, ok := ex.causes[cause(text)]; ok {
		return cause(text)
	}
	if n := atoi(text); n > 0 {
		for c, number := range ex.causes {
			if number == n {
				return c
			}
		}
	}
	return normalClearing
}

// q850 is hangup_cause_q850: FreeSWITCH's own causes show as 16.
func (ex *Exchange) q850(c cause) int {
	if n := ex.causes[c]; n > 0 && n < 128 {
		return n
	}
	return 16
}

// sipCause is the cause of a failure response (measured); a Reason header
// overrides it, see byReason.
func sipCause(status int) cause {
	switch status {
	case 401, 402, 403, 407, 603:
		return "CALL_REJECTED"
	case 404:
		return "UNALLOCATED_NUMBER"
	case 485:
		return noRoute
	case 604:
		return noRoute
	case 408, 504:
		return recoveryOnTimer
	case 410:
		return "NUMBER_CHANGED"
	case 413, 414, 416, 420, 421, 423, 505, 513:
		return "INTERWORKING"
	case 480:
		return "NO_USER_RESPONSE"
	case 400, 481, 500, 503:
		return temporaryFailure
	case 486, 600:
		return userBusy
	case 484:
		return "INVALID_NUMBER_FORMAT"
	case 488, 606:
		return incompatible
	case 502:
		return "NETWORK_OUT_OF_ORDER"
	case 405:
		return "SERVICE_UNAVAILABLE"
	case 406, 415, 501:
		return "SERVICE_NOT_IMPLEMENTED"
	case 482, 483:
		return "EXCHANGE_ROUTING_ERROR"
	case 487:
		return originatorCancel
	}
	return normalUnspecified
}

// byReason is the cause of a final response with a Reason header.
func (ex *Exchange) byReason(status, reason int) cause {
	if reason > 0 {
		for c, number := range ex.causes {
			if number == reason {
				return c
			}
		}
	}
	return sipCause(status)
}

// SIPCause is the Q.850 cause that FreeSWITCH reports for the final SIP status
// of a failed call that had no Reason header.
func SIPCause(status int) int { return causeNumbers()[sipCause(status)] }
