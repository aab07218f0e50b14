package campaign

// label is the one catalogue of what people read for a code.
var label = map[Disposition][2]string{ // zh, en
	Completed: {"完成", "completed"}, Transferred: {"已转人工", "transferred to a person"}, OptedOut: {"拒绝再次来电", "asked not to be called"},
	Complaint: {"投诉", "complaint"}, HungUp: {"客户挂断", "customer hung up"}, NoInput: {"接通无应答", "answered, said nothing"},
	NotUnderstood: {"未听懂", "not understood"}, Voicemail: {"语音信箱", "voicemail"}, Busy: {"占线", "busy"}, NoAnswer: {"无人接听", "no answer"},
	Rejected: {"拒接", "rejected"}, InvalidNumber: {"空号", "number not in service"}, Unreachable: {"关机或无法接通", "unreachable"},
	Congestion: {"线路拥塞", "network congestion"}, Failed: {"系统故障", "failed on our side"}, Withdrawn: {"已取消", "cancelled"}, Uncertain: {"结果不明", "outcome unknown"},
}

// Label is the disposition for people to read, in zh or en.
func (d Disposition) Label(lang string) string {
	l, ok := label[d]
	switch {
	case !ok:
		return string(d)
	case lang == "zh":
		return l[0]
	}
	return l[1]
}
