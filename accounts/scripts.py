"""The scripts of Unicode 16 that names are written in: as `regex` calls them, the commonest first. Pure."""

_NAMES = """
Latin Greek Cyrillic Arabic Hebrew Han Hiragana Katakana Hangul Devanagari Thai Bengali Tamil Telugu Armenian Georgian
Ethiopic Khmer Lao Myanmar Sinhala Tibetan Gujarati Gurmukhi Kannada Malayalam Oriya Bopomofo Thaana Syriac Mongolian
Cherokee Canadian_Aboriginal Yi Adlam Caucasian_Albanian Ahom Imperial_Aramaic Avestan Balinese Bamum Bassa_Vah Batak
Bhaiksuki Brahmi Buginese Buhid Chakma Carian Cham Chorasmian Coptic Cypro_Minoan Cypriot Dives_Akuru Dogra Deseret
Duployan Egyptian_Hieroglyphs Elbasan Elymaic Garay Glagolitic Gunjala_Gondi Masaram_Gondi Gothic Grantha Gurung_Khema
Hanunoo Hatran Anatolian_Hieroglyphs Pahawh_Hmong Nyiakeng_Puachue_Hmong Old_Hungarian Old_Italic Javanese Kayah_Li Kawi
Kharoshthi Khojki Khitan_Small_Script Kirat_Rai Kaithi Tai_Tham Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian
Mahajani Makasar Mandaic Manichaean Marchen Medefaidrin Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Modi Mro
Meetei_Mayek Multani Nag_Mundari Nandinagari Old_North_Arabian Nabataean Newa Nko Nushu Ogham Ol_Chiki Ol_Onal
Old_Turkic Osage Osmanya Old_Uyghur Palmyrene Pau_Cin_Hau Old_Permic Phags_Pa Inscriptional_Pahlavi Psalter_Pahlavi
Phoenician Miao Inscriptional_Parthian Rejang Hanifi_Rohingya Runic Samaritan Old_South_Arabian Saurashtra Shavian
Sharada Siddham Khudawadi Sogdian Old_Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar Syloti_Nagri Tagbanwa Takri Tai_Le
New_Tai_Lue Tangut Tai_Viet Tifinagh Tagalog Tirhuta Tangsa Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi Warang_Citi
Wancho Old_Persian Cuneiform Yezidi Zanabazar_Square
"""
SCRIPTS = tuple(_NAMES.split())
