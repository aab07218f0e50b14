"""The vendor's client (dashscope.audio.asr.Recognition) against the instrument."""
import json
import sys
import time

import dashscope
from dashscope.audio.asr import Recognition, RecognitionCallback, RecognitionResult

url, folder = sys.argv[1], sys.argv[2]
dashscope.api_key = "sk-lab"
dashscope.base_websocket_api_url = url


class Callback(RecognitionCallback):
    def on_event(self, result):
        s = result.get_sentence()
        if RecognitionResult.is_sentence_end(s):
            print("final", json.dumps(s, ensure_ascii=False), result.get_usage(s))

    def on_complete(self):
        print("complete")

    def on_error(self, result):
        print("error", result.code, result.message)


def hear(rate, **options):
    r = Recognition(callback=Callback(), format="pcm", sample_rate=rate, **options)
    r.start()
    with open(f"{folder}/{rate}.pcm", "rb") as f:
        while data := f.read(rate // 5):  # 100 ms, as the documentation advises
            r.send_audio_frame(data)
            time.sleep(0.01)
    r.stop()


hear(16000, model="paraformer-realtime-v2", language_hints=["zh", "en"], heartbeat=True,
     max_sentence_silence=500, vocabulary_id="vocab-lab-1")
hear(8000, model="paraformer-realtime-8k-v2", semantic_punctuation_enabled=False)
try:
    hear(16000, model="paraformer-realtime-v9")
except Exception as e:
    print("refused", e)
