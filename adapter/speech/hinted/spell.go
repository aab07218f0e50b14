package hinted

import (
	"strings"
	"unicode/utf8"

	"ringmaster/internal/speech"
)

// homophones are characters with several readings, each with one reading and a
// common character that is read so and in no other way: "重chong2虫". All take
// three bytes.
const homophones = " 重chong2虫 重zhong4众 行hang2航 行xing2形 长zhang3掌 长chang2常 乐yue4月 还huan2环 还hai2孩 都dou1兜 都du1嘟 调diao4吊 调tiao2条" +
	" 量liang2粮 量liang4亮 数shu3鼠 数shu4树 差chai1拆 差cha4岔 率lv4律 率shuai4帅 处chu3楚 处chu4触 相xiang4向 相xiang1香 当dang4荡 发fa4珐" +
	" 分fen4份 分fen1芬 干gan4赣 干gan1甘 更geng1耕 供gong4贡 供gong1功 假jia4嫁 假jia3甲 间jian4件 间jian1肩 角jue2决 角jiao3狡 结jie1阶 结jie2洁" +
	" 教jiao1胶 教jiao4轿 觉jiao4轿 觉jue2决 空kong4控 累lei3垒 累lei4泪 难nan2南 强qiang3抢 切qie4窃 曲qu3取 曲qu1驱 任ren2仁 少shao4哨" +
	" 省xing3醒 盛cheng2成 盛sheng4胜 似shi4市 提di1低 为wei2维 为wei4卫 系ji4寄 系xi4戏 校jiao4轿 校xiao4笑 兴xing1星 兴xing4幸 血xie3写" +
	" 应ying4硬 应ying1英 与yu4玉 载zai3宰 载zai4在 曾ceng2层 曾zeng1增 转zhuan4赚 中zhong4众 中zhong1钟 种zhong4众 种zhong3肿 朝chao2潮 朝zhao1昭" +
	" 传zhuan4赚 传chuan2船 答da1搭 答da2达 倒dao4盗 倒dao3岛 好hao4浩 和he4贺 和huo4货 会kuai4快 几ji1鸡 降xiang2祥 降jiang4酱 卷juan4倦" +
	" 看kan1刊 落luo4洛 没mo4墨 铺pu4瀑 奇ji1鸡 散san3伞 参shen1深 说shui4睡 厦xia4夏 番pan1潘 单shan4善 仇qiu2球 解xie4谢 查zha1渣" +
	" 区ou1欧 尉yu4玉 燕yan1烟 折she2蛇 着zhuo2浊 便pian2骈 划hua2滑 划hua4画 冲chong4铳 弹tan2谈 弹dan4淡 号hao2豪 号hao4浩 喝he4贺 横heng2恒" +
	" 华hua4画 尽jin4近 尽jin3紧 据ju1居 据ju4巨 圈juan4倦 笼long2龙 笼long3拢 露lou4漏 露lu4鹿 陆lu4鹿 六lu4鹿 论lun2轮 冒mao4帽" +
	" 蒙meng2萌 宁ning4泞 片pian4骗 仆pu2葡 塞sai4赛 舍she4社 舍she3捨 什shi2时 识shi2时 宿su4素 吐tu3土 王wang4旺 鲜xian1先 鲜xian3显" +
	" 削xue1靴 咽yan4厌 要yao1腰 要yao4药 叶ye4夜 饮yin3引 正zheng1蒸 正zheng4政 只zhi1知 只zhi3纸 作zuo4坐 "

// spelled writes the readings of a text with characters of the same sound. The
// result has the length of the text; left says how many characters with a
// reading are in homophones, but not with this one.
func spelled(text string, hints []speech.Hint) (out string, left int) {
	var b strings.Builder
	at := 0
	for _, h := range hints {
		if h.Reading == "" || h.Start < at || h.End > len(text) || h.End <= h.Start {
			continue
		}
		word := []rune(text[h.Start:h.End])
		syllables := strings.Fields(strings.ReplaceAll(strings.ToLower(h.Reading), "ü", "v"))
		if len(word) != len(syllables) || !utf8.ValidString(text[h.Start:h.End]) {
			continue
		}
		b.WriteString(text[at:h.Start])
		for i, r := range word {
			same, known := homophone(r, syllables[i])
			if known && same == r {
				left++
			}
			b.WriteRune(same)
		}
		at = h.End
	}
	b.WriteString(text[at:])
	return b.String(), left
}

// homophone is the character to write for r read so: r itself when none is
// known, or when it has no other reading. known: r has several readings.
func homophone(r rune, syllable string) (same rune, known bool) {
	if utf8.RuneLen(r) != 3 {
		return r, false
	}
	if _, rest, ok := strings.Cut(homophones, " "+string(r)+syllable); ok {
		if c, n := utf8.DecodeRuneInString(rest); n == 3 {
			return c, true
		}
	}
	return r, strings.Contains(homophones, " "+string(r))
}
