package label

import (
	"slices"
	"testing"
)

func TestRow_S14_WordingOfNotices(t *testing.T) {
	all := []string{PartAI, PartRecording, PartIdentity, PartEmotion, PartOptOut}
	for text, says := range map[string][]string{
		"您好，我是示例银行的人工智能语音助手，本次通话将会录音。":                                                                                 {PartAI, PartRecording, PartIdentity},
		"你好，我系示例医院嘅人工智能语音助手，呢次通话会录音。":                                                                                  {PartAI, PartRecording, PartIdentity},
		"你好，呢度係示例銀行嘅機器人，今次通話會錄音。":                                                                                      {PartAI, PartRecording, PartIdentity},
		"Hello, this is the automated AI assistant of Example Bank. This call is recorded.":                            {PartAI, PartRecording, PartIdentity},
		"Hi, I am a virtual assistant calling from Acme. The call may be monitored and recorded. Say stop to opt out.": {PartAI, PartRecording, PartIdentity, PartOptOut},
		"您好，我是智能语音助手，本次通话将会录音。":                                                                                        {PartAI, PartRecording},
		"您好，我是客户经理小王，本次通话将会录音。":                                                                                        {PartRecording},
		"您好，我是示例公司的客服，我不是机器人。":                                                                                         {PartIdentity},
		"您好，我是AI助手，本次通话不会录音。":                                                                                          {PartAI},
		"This call is not being recorded and I am not a robot.":                                                        {},
		"我们会识别您的情绪，以便更好地为您服务。":                                                                                         {PartEmotion},
		"This system detects your emotions. Press 9 to stop these calls.":                                              {PartEmotion, PartOptOut},
		"不想再接到来电，请按9。":                                                                                                 {PartOptOut},
		"您好，请问您方便吗？":                                                                                                   {},
	} {
		got := Missing(text, all...)
		var want []string
		for _, p := range all {
			if !slices.Contains(says, p) {
				want = append(want, p)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q lacks %v, want %v", text, got, want)
		}
	}
}
