"""Models and the words of names: what they say wherever they stand, in a model, a host name, a vendor class.

A text is brought to lower case, and what is neither a letter nor a digit becomes one space, so that `DCS-935L`,
`DCS_935L` and `dcs 935l` are one. The rows are tried from above, and the first that is found counts: a product stands
above the plain words that its name is made of (a Galaxy Watch is no Galaxy), and a part above the whole.

A maker's model numbers are taken by their series, as the maker's catalogue explains them. Within a row, two spaces or a
new line stand between what is looked for.
"""

import re
from functools import lru_cache

from netwatchd.identity.tables import FAIR, STRONG, SURE, WEAK

# What a row says is to be believed less in a text that people write themselves, or that is not made for the model.
PRODUCT, WORD = SURE, FAIR
LONGEST = 160  # characters that are looked at: a model stands at the beginning of a description

_ROWS: tuple[tuple[str, int, str], ...] = (
    # Watches, before the phones that they are named after.
    ("watch", PRODUCT, r"""
        \b(?:apple|galaxy|pixel|huawei|honor|xiaomi|mi|oneplus|amazfit|gear|ticwatch|fossil|garmin|fitbit) ?watch
        \bwatch ?\d ?\d  \bwatch ?os\b  \b(?:versa|fenix|forerunner|vivoactive|galaxy fit|gear s\d)\b  \bsm r[589]\d\d
    """),
    # Tablets, before the phones that they are named after.
    ("tablet", PRODUCT, r"""
        \bi ?pad\b  ipad\d  \bipad  ipad$  \bgalaxy tab  \bsm [tx]\d{3}  \bgt [pn]\d{4}  \bpixel tablet
        \bnexus (?:7|9|10)\b  \bmedia ?pad  \bmatepad  \bredmi pad  \bxiaomi pad  \bmi ?pad  \boneplus pad  \boppo pad
        \brealme pad  \bhonor pad  \bmoto tab  \blenovo (?:tab|yoga tab|tb)  \btb ?\d{4}[a-z]{1,2}\b  \bkf[a-z]{4,5}\b
        \bkindle  \btolino  \bkobo\b  \bremarkable  \bpocketbook  \bnook\b
        \b(?:ags|bah|sht|scm|dby|mrx|bzt|vrd|bah|jdn|kob|agr)\d? [a-z]{1,2}\d{1,2}
    """),
    ("tablet", WORD, r"\btab(?:let)?\b  \btab ?[as]?\d\b"),
    # What plays; before Google's, Amazon's and Apple's other things.
    ("media", PRODUCT, r"""
        \bapple ?tv  \bchromecast  \bgoogle tv\b  \bnexus player  \bfire ?tv  \bfire ?stick  \baft[a-z]{1,5}\d{0,3}\b
        \broku\b  \bshield ?(?:android)? ?tv  \bshield\b  \bmi ?box  \bmi tv ?stick  \bmitv ?(?:stick|box)
        \bxiaomi tv (?:stick|box)  \bnow tv  \bsky ?q\b  \bfreebox player  \bmag ?\d{3}\b
        \bvu ?(?:uno|duo|solo|zero|ultimo)  \bdreambox  \bdm ?(?:800|900|920|7020|8000)\b  \bhdhomerun  \blibreelec
        \bcoreelec  \bosmc\b  \bopenelec  \btivo\b  \bhumax  \bwd ?tv\b  \bslingbox  \bcrkey  \bbrightsign
        \bset top  \bstb\b
        \bblu ?ray  \bbdp? ?s\d{3,4}  \bmagenta ?tv  \bmr ?[24]\d\d\b  \bapple tv\d
    """),
    ("speaker", PRODUCT, r"""
        \bhome ?pod  \baudio ?accessory  \bgoogle ?home\b  \bgoogle ?nest (?:mini|audio|hub)
        \bnest (?:mini|audio|hub|wifi point)  \becho ?(?:dot|show|studio|pop|plus|spot|flex|input)  \bamazon echo
        \baeo[bc][a-z]\b  \bsonos  \bzps?\d{1,2}\b  \bplay ?[135]\b  \bsymfonisk  \bsoundtouch  \bbose  \bheos
        \bmusiccast  \bdenon  \bmarantz  \bonkyo  \bavr ?[xs]?\d{3,4}  \brx [vas]\d{3,4}  \bsoundbar  \bsound ?bar
        \bhw [qmnkstj]\d{2,3}  \bbeoplay  \bbeosound  \bbeolab  \blibratone  \bjbl\b  \bharman  \bbluesound  \bvolumio
        \bmoode  \bsqueezebox  \bsqueezelite  \bteufel  \bmuso\b  \bht [astz]\d{3,4}  \bstr ?dn  \bdevialet
    """),
    ("speaker", WORD, r"""
        \b(?:loud)?speaker\b  \blautsprecher  \bav receiver  \breceiver\b  \binternet ?radio  \bradio\b
    """),
    ("console", PRODUCT, r"""
        \bxbox  \bplay ?station  \bps ?[345]\b  \bps ?vita\b  \bpsp\b  \bnintendo  \bwii ?u?\b  \bsteam ?deck  \b3ds\b
    """),
    ("tv", PRODUCT, r"""
        \bbravia  \blg \d\d[a-z]{1,3}\d  \bkd? ?\d\d[xawz][a-z]?\d  \bkdl ?\d  \bxr ?\d\d  \blg ?web ?os
        \bweb ?os ?tv
        \b(?:un|ue|qe|qn|ua|tq|gq)\d\d[a-z]{1,3}\d  \bviera  \btx ?\d\d[a-z]  \b(?:oled|qled|neo qled|uhd|4k|led) ?tv
        \bsamsung .{0,12}series  \btv samsung  \bsamsung ?tv  \blg ?tv  \bsmart ?tv  \bandroid ?tv  \bmi ?tv\b
        \bvizio
        \bhisense .{0,10}tv  \btcl .{0,10}tv  \bphilips ?tv  \b\d\d(?:pus|oled|pfs|pfl)\d  \bambilight  \bhbbtv
        \boled\d\d[a-z]\d  \btelevision  \bfernseher  \bloewe  \bgrundig  \btechnisat  \bsky ?glass
        \b(?:samsung|lg|sony|hisense|tcl|sharp|panasonic|toshiba) tv
    """),
    ("tv", WORD, r"\btv\b"),
    # Computers by Apple, before its phones; Macs tell "Mac14,2" and "MacBookPro18,3".
    ("computer", PRODUCT, r"""
        mac ?book  \bimac  imac$  \bmac ?mini  \bmac ?pro  \bmac ?studio  \bmac\d\d? \d  \bmbp\b  \bmba\b  mbp$
        \bpowerbook  \bpower ?mac  \bosxvers\b
    """),
    ("server", PRODUCT, r"""
        \bxserve  \brack ?mac  \bpoweredge  \bproliant  \bidrac\b  \bilo ?[2-6]\b  \bilo[a-z0-9]{10}\b  \bproxmox
        \bpve\d{0,2}\b  \besxi\b  \bhome ?assistant  \bhassio  \bpi ?hole  \bopen ?media ?vault  \bnextcloud  \bunraid
        \bwin [a-z0-9]{11}\b  \bocto ?(?:pi|print)  \bhome ?server
    """),
    ("nas", PRODUCT, r"""
        \bdisk ?station  \brack ?station  \bsynology  \bds\d{3,4}(?:j|play|slim|xs|rp)?\b  \brs\d{3,4}(?:rp|xs)\b
        \bqnap  \bts \d{3}[a-z]{0,2}\b  \btvs \d{3}  \bready ?nas  \bmy ?cloud  \bwd ?my  \blink ?station
        \btera ?station  \bls\d{3}d  \btrue ?nas  \bfree ?nas  \bdns \d{3}\b  \bdrobo  \basustor  \bterra ?master
        \bnetwork ?space
    """),
    # Phones.
    ("phone", PRODUCT, r"""
        i ?phone(?!book)  \bpixel ?\d  \bpixel (?:xl|fold|pro)
        \bgalaxy ?(?:s|a|m|f|j|note|z|xcover|fold|flip|ace|nexus|alpha)? ?\d  \bgalaxy (?:note|z|fold|flip|xcover)
        \bsm [gasnmfecjw]\d{3}[a-z]?  \bgt [isn]\d{4}  \bsgh ?[ti]\d{3}  \bhuawei ?(?:p|mate|nova|y)\b  \bhuawei p ?\d
        \bmate ?\d\d\b  \bhonor ?(?:\d|magic|play|view|x)  \bredmi  \bpoco\b
        \bmi (?:a\d|max|mix|note|\d)  \bmi\d{1,2}\b  \bxiaomi ?\d  \bm20\d\d[a-z]\d  \b2\d{5,7}[a-z]\w{0,4}\b
        \bone ?plus
        \boppo  \brealme  \bvivo ?[xyvst]\d  \bcph\d{4}  \brmx\d{4}  \bnokia  \bta 1\d{3}\b
        \bmoto ?(?:g|e|x|z|one|edge)\b  \bmotorola (?:one|edge|moto|razr)  ^xt\d{4}  \bxperia  \bnexus ?[456]
        \bfairphone  \bwiko  \blg [dhk]\d{3}  \bhtc (?:one|desire|u\d)  \bzenfone  \bblackberry  \blumia
        \bnothing phone  \bblackview  \bdoogee  \bulefone  \bumidigi
        \b[a-z]{3} (?:lx|al|tl|nx|an|l|cl|n|lgr)\d{1,2}[a-z]?\b
    """),
    ("phone", PRODUCT, r"^d\d{2,3}[a-z]?ap$"),  # Apple's numbers of boards, which older systems tell as the model
    ("tablet", PRODUCT, r"^p1\d\d[a-z]?ap$"),
    ("mobile", PRODUCT, r"\bipod"),
    ("mobile", WORD, r"^n\d{2,3}[a-z]?ap$"),
    ("speaker", PRODUCT, r"^b\d{3}[a-z]?ap$"),
    ("phone", WORD, r"\b(?:smart)?phone\b  \bhandy\b  \bgalaxy\b  \bmobile\b"),
    # Printers; the words are those of their makers' series.
    ("printer", PRODUCT, r"""
        \blaser ?jet  \boffice ?jet  \bdesk ?jet  \bphoto ?smart  \bdesign ?jet  \bpage ?wide  \bjet ?direct
        \bhp (?:envy|smart tank|tango|color laser|ink tank|laser)  \benvy (?:photo|inspire|pro|\d{4})  \bpixma
        \bimage ?(?:runner|class|prograf|press)  \bi sensys  \bmaxify  \bselphy
        \bcanon (?:ir|lbp|mf|ts|tr|mg|mx|ip|tm|g)\b ?\d?  \bir ?adv  \bcanon d\d{3,4}
        \bcanon(?:ts|mg|mx|mf|lbp|tr|g)\d
        \bmf\d{3}[a-z]*\b  \blbp\d{3,4}  \bwork ?force  \beco ?tank  \bstylus  \bexpression (?:home|photo|premium)
        \bepson  \b(?:xp|et|wf) ?\d{3,4}\b  \bsure ?color  \btm [tmuhl]\d
        \b(?:mfc|dcp|hl|ads|ql|td|rj|pj|pt) ?[a-z]{0,2}\d{2,4}[a-z]{0,3}\b  \bbrother\b  \bbr[wn][0-9a-f]{12}\b
        \bnpi[0-9a-f]{6}\b  \bhp[0-9a-f]{6}\b  \bphaser  \bwork ?cent(?:re|er)  \bversa ?link  \balta ?link  \bxerox
        \bcolor ?qube  \bdocu(?:print|centre|color|mate)  \becosys  \btask ?alfa  \bkyocera  \bfs \d{4}[a-z]*
        \bkm[0-9a-f]{6}\b  \blexmark  \b[cm][sx] ?\d{3}[a-z]{1,3}\b  \bmagi ?color  \bbizhub  \bkonica  \bricoh
        \baficio  \bsavin  \blanier  \bgestetner  \brnp[0-9a-f]{6,12}\b  \bsamsung (?:ml|clp|clx|scx|sl|m|c)\d? ?\d{3}
        \b(?:clp|clx|scx) ?\d{3,4}  \boki\b  \bokidata  \be ?studio  \bsharp mx  \bmx [bmc]?\d{3,4}n?  \bzebra  \bztc
        \bzt\d{3}  \bdell .{0,12}(?:laser|printer|mfp|cdn|dn)\b  \bp-touch  \bdymo  \blabel ?writer
    """),
    ("printer", WORD, r"""
        \bprinter\b  \bdrucker\b  \bimprimante\b  \bimpresora\b  \bmfp\b  \bscanner\b  \bscanjet  \bscansnap
        \bmultifunction
    """),
    # What watches.
    ("camera", PRODUCT, r"""
        \bdcs \d{3,4}[a-z]{0,2}\d?\b  \bic ?\d{4}[a-z]?\b  \bip ?cam(?:era)?\b  \bnet ?cam\b  \bnetwork camera
        \bweb ?cam\b  \bhikvision  \bds 2(?:cd|de|td)  \bdahua  \bipc ?(?:hfw|hdw|hdbw|[a-z]\d|\d)  \breolink
        \brlc ?\d
        \bfoscam  \bfi\d{4}  \bwyze ?cam  \bwyzecam  \bringdoorbell  \bnest ?(?:cam|doorbell|hello|iq)  \btapo c\d{3}
        \bkasa cam  \bkc\d{3}  \bec\d\dp  \beufy ?cam  \bdoor ?bell  \bdoor ?bird  \bvivotek  \bmobotix  \bamcrest
        \bip[248]m  \baxis [0-9a-z]  \baxis[0-9a-f]{12}\b  \byi ?(?:home|cam|dome)  \bxiaofang  \bdafang  \bezviz
        \bcs c\d  \bwithings home  \buvc\b  \bunifi (?:video|protect)  \bg[345] (?:bullet|dome|flex|instant|pro)\b
        \besp32 ?cam  \bdvr\b  \bnvr\b  \bvideo ?doorbell  \bbaby ?cam  \bbaby ?monitor
    """),
    ("camera", WORD, r"\bcam(?:era)?\d{0,2}\b  \bkamera\d{0,2}\b"),
    # The house: plugs, lamps, ...
    ("plug", PRODUCT, r"""
        \bhs1(?:00|03|05|07|10)\b  \bkp(?:100|105|115|125|200|303|400|401)\b  \bep(?:10|25|40)\b  \bhs300\b
        \btapo p\d{3}  \bdsp w\d{3}  \bsp ?(?:1101|2101)w?  \bmss ?\d{3}  \bshelly ?(?:plug|1pm|1|pm)
        \bwemo ?(?:switch|insight|mini|outdoor)  \bsonoff ?(?:s2|s3|basic|pow)  \bsmart ?plug
        \bsmart ?(?:socket|outlet)  \bwi ?fi ?(?:plug|socket)  \beve ?energy  \bfritz ?dect  \bsteckdose
        \bswitch ?bot plug  \bgosund  \bsp[1-4] mini  \bteckin  \bdelock  \bnous a1  \bkankun  \bplug ?s\b
        \bplug ?mini
        \bwifi ?switch
    """),
    ("light", PRODUCT, r"""
        \blifx  \bhue (?:color|white|ambiance|lightstrip|bulb|play|go|lamp|bloom|iris)  \byee ?light  \byeelink light
        \bwled  \bnanoleaf  \bnl\d\d\b  \bkl(?:50|60|1[0-3]\d|4\d\d)\b  \blb1[0-3]\d\b  \btapo l\d{3}
        \bwiz [0-9a-f]{6}
        \btradfri bulb  \bkey ?light  \bled ?(?:strip|lamp|controller|bulb)  \blight ?strip  \bmagic ?home  \bzengge
        \bgovee  \bsengled  \bshelly ?(?:bulb|rgbw|dimmer|duo|vintage)  \bsmart ?(?:bulb|light|lamp)
        \b(?:ks|es|hs)2[0-4]0\b  \bmilight  \blight ?bulb
    """),
    ("hub", PRODUCT, r"""
        \bphilips ?hue  \bhue ?bridge  \bbsb00[12]  \btradfri  \bdirigera  \bikea gateway  \blightify  \bsmart ?things
        \bhomey\b  \bhubitat  \bdeconz  \bphoscon  \bconbee  \braspbee  \bccu[23]?\b  \bhomematic  \bmax ?cube
        \bmax ?gateway  \bwemo ?(?:link|bridge)  \bdch g\d{3}  \bdch ?hub  \bharmony ?hub  \bharmonyhub  \blutron
        \bbond (?:bridge|home)  \baqara hub  \blumi gateway  \btado (?:bridge|internet)  \bbroadlink
        \brm (?:mini|pro|4)  \bfibaro  \bloxone  \bzigbee ?(?:gateway|bridge)  \bsmart ?(?:hub|gateway|bridge)
        \btapo h\d{3}  \bkasa hub  \bsonoff ?bridge  \biobroker  \bopenhab  \bnuki bridge  \bsomfy ?(?:box|tahoma)
        \btahoma  \bconnexoon  \bmediola  \bbosch smart home  \bmagenta ?smart  \bwiser  \bhome ?connect hub
    """),
    ("sensor", PRODUCT, r"""
        \bweather ?station  \bwetter ?station  \bnetatmo (?:personal|weather|indoor|station)  \bdch s\d{3}
        \bshelly ?(?:ht|h t|flood|motion|smoke|door|gas|uni)  \beve ?(?:room|degree|weather|motion|door)  \bairthings
        \bawair  \bfoobot  \bnest protect  \bsmoke  \brauchmelder  \bmotion ?sensor  \bwater ?sensor  \bdoor ?sensor
        \b(?:temp|temperature|humidity|air) ?(?:sensor|monitor)  \bnetatmo\b  \becowitt  \bpurple ?air  \bluftdaten
        \bfeinstaub  \bsiren\b  \bsensor
    """),
    ("thermostat", PRODUCT, r"""
        \bthermostat  \becobee  \bnest (?:learning|e\b|t\d)  \btado\b  \bhoneywell (?:home|t\d|rth)  \bnefit
        \beasycontrol  \bhive (?:hub|thermo)  \bwiser heat  \bheizung  \bheating\b  \bradiator
    """),
    ("lock", PRODUCT, r"""
        \bnuki  \bsmart ?lock  \bdoor ?lock  \bschlage  \byale  \bdanalock  \bgarage ?(?:door|opener)  \bmyq\b
        \bchamberlain  \btedee  \bswitch ?bot lock  \bgogogate  \bring ?intercom
    """),
    ("health", PRODUCT, r"""
        \bwithings  \bfitbit  \baria ?air\b  \bbody ?(?:cardio|plus|scan|comp)\b  \bscale\b  \bwaage\b
        \bgarmin index  \beufy ?(?:smart )?scale  \bbeurer  \bomron  \bblood ?pressure  \bcpap  \bairsense  \bpeloton
        \bsleep ?number
    """),
    ("appliance", PRODUCT, r"""
        \broomba  \birobot  \broborock  \brockrobo  \bxiaomi vacuum  \bmi ?robot  \bvacuum  \bdeebot  \bneato
        \bbraava
        \bdreame  \bsaug ?roboter  \bkobold  \bwasher  \bwashing  \blaundry  \bdryer  \bwaschmaschine  \btrockner
        \bdish ?washer  \bgeschirr  \bfridge  \brefrigerator  \bkuehlschrank  \bfreezer  \boven\b  \bbackofen
        \bcooktop
        \bstove  \bcoffee  \bkaffee  \bkettle  \bikettle  \bmicrowave
        \bair ?(?:con(?:ditioner)?|purifier|fryer|conditioning)  \bklima  \bdaikin  \bmiele  \bbosch (?:hc|dish|wash)
        \bhomeconnect  \bdyson  \bsiemens (?:hc|wm|sn)  \bhumidifier  \bheat ?pump  \bwaerme ?pumpe  \bmower
        \bautomower  \bgardena  \brasenmaeher  \bblinds?\b  \brollladen  \bshutter  \bthermomix  \bcooker  \bcrock
        \binstant ?pot  \bsprinkler  \bsmarter\b
    """),
    ("energy", PRODUCT, r"""
        \binverter  \bwechselrichter  \bfronius  \bsolar ?(?:edge|log|way)  \bsma (?:sunny|stp|sb)
        \bsunny ?(?:boy|portal|home|tripower|island)  \benphase  \benvoy\b  \bpower ?wall  \bwall ?box
        \bgo ?e ?charger
        \bev ?charger  \bkeba\b  \bp1 ?meter  \bhwe p1  \bhome ?wizard  \bsmart ?meter  \biotawatt
        \bshelly ?(?:em|3em|pro ?3em)  \bemporia  \bsense ?(?:energy|monitor)  \btibber  \bups\b  \bsmart ups  \bapc\b
        \bnetbotz  \bpdu\b  \bvictron  \bvenus ?gx  \bgrowatt  \bhoymiles  \bopendtu  \bahoy ?dtu  \bdeye
    """),
    # Telephones and the network.
    ("voip", PRODUCT, r"""
        \bsip t\d\d  \byealink  \bsnom ?\d{2,3}  \bsnom\b  \bpolycom  \bvvx ?\d{3}  \bsoundpoint  \bsoundstation
        \bgxp ?\d{4}  \bgrp ?\d{4}  \bgrandstream  \bht ?(?:70[1-4]|80[1-4]|5\d\d|286|386)\b
        \bspa ?(?:1|2|3|5|9)\d{2,3}\b  \bcp ?(?:78|79|88|89)\d\d  \bsep[0-9a-f]{12}\b  \bcisco ip phone  \bip ?phone\b
        \baastra  \bmitel  \bgigaset  \bn[57]\d0 ?ip  \bobi ?(?:1|2|3)\d\d  \bobihai  \bvoip  \bsip ?(?:phone|gateway)
        \bfanvil  \bavaya  \bunify  \bopenstage  \bfritz ?fon  \bpbx\b  \bspeech ?port
    """),
    ("access_point", PRODUCT, r"""
        \baccess ?point  \bwap ?\d{3,4}  \bdap \d{3,4}  \beap ?\d{3}  \buap\b  \buap ?[a-z]{2,}
        \bu6 ?(?:lite|lr|pro|mesh|plus)  \bu7 ?(?:pro|outdoor)  \bunifi ?(?:ap|uap)  \brepeater  \bextender
        \brange ?ext  \bre ?(?:2|3|4|5|6)\d{2}x?\b  \bair ?port  \btime ?capsule  \bdra \d{4}
        \borbi (?:satellite|rbs)  \brbs ?\d\d
        \bdeco\b  \bvelop  \beero\b  \bwlan ?repeater  \bwl ?an ?ap\b  \baironet  \bair [ac][a-z]?p\d{4}
        \bnanostation
        \blitebeam  \bcapsman  \bruckus  \bgwn ?\d{4}  \baruba ap  \binstant on\b
    """),
    ("router", PRODUCT, r"""
        \bfritz ?box  \bfritzbox  \bspeed ?port  \bdi[rl] \d{3,4}[a-z]{0,2}  \bdsl ?(?:router|modem)?\b  \bdwr \d{3}
        \bwrt ?\d{2,4}[a-z]{0,3}  \bopen ?wrt  \bdd ?wrt  \blede\b  \btomato\b  \barcher
        \btl (?:wr|wdr|mr|er|r)\d{2,4}[a-z]*  \brt (?:ac|ax|n|be)\d{2,4}[a-z]*  \bgt a[cx]\d+  \bnighthawk
        \br[6789]\d{3}p?\b  \brbr ?\d\d  \borbi\b  \bwndr ?\d{4}  \bwnr ?\d{4}  \bdgn ?\d{4}  \blinksys  \bea\d{4}
        \bgl (?:mt|ar|inet|ax|b)\d*  \bpf ?sense  \bopn ?sense  \bipfire  \budm\b  \budm ?(?:pro|se)  \busg\b
        \busg ?(?:3p|pro)  \bedge ?router  \berx\b  \ber x  \brouter ?os  \bmikrotik  \brb ?\d{3,4}[a-z]*
        \bhap ?(?:ac|ax|lite)  \bairbox  \blivebox  \bbbox  \bsfr box  \bfreebox  \beasy ?box  \bconnect ?box
        \bvodafone ?(?:station|box)  \bhome ?hub  \bsuper ?hub  \bhitron  \bcable ?modem  \bmodem\b
        \bresidential gateway  \bvigor ?\d{3,4}  \bzyxel (?:vmg|nbg|usg)  \bvmg ?\d{4}  \bnbg ?\d{4}  \bturris
        \bcable ?gateway  \binternet ?gateway  \bhomebox  \blancom  \bdigital ?box  \bisr ?\d{4}  \bbr ?6\d{3}[a-z]*
    """),
    ("router", WORD, r"\brouter\b  \bgateway\b  \bgw\d?\b"),
    ("switch", PRODUCT, r"""
        \bd[gex]s \d{3,4}[a-z]*  \bgs ?[13]?\d{2,3}(?:e|t|p|pe|ep|tp|pp)[a-z]{0,2}\d?\b  \btl s[gf]\d{3,4}
        \bsg ?[2-5]\d{2}\b  \bcatalyst  \bws c\d{4}  \bpro ?curve  \bjetstream  \bus ?(?:8|16|24|48)\b
        \bus ?(?:8|16|24|48) ?(?:poe|60w|150w|250w|500w)  \busw\b  \bunifi ?switch  \bedge ?switch  \bcrs ?\d{3}
        \bcss ?\d{3}  \bpowerconnect  \bmanaged ?switch  \b(?:ethernet|network|smart|gigabit|port) switch
        \bnexus ?[3579]k  \bsf ?[23]\d{2}
    """),
    # Computers, after all that is named after them.
    ("computer", PRODUCT, r"""
        \bdesktop [0-9a-z]{7}\b  \blaptop [0-9a-z]{7}\b  \bminint [0-9a-z]{7}\b  \bthink ?(?:pad|centre|station|book)
        \bidea ?(?:pad|centre)  \blatitude  \boptiplex  \binspiron  \bvostro  \bxps ?\d  \balienware
        \belite ?(?:book|desk)  \bpro ?(?:book|desk)\b  \bpavilion  \bzbook  \bsurface\b  \bvivobook  \bzenbook
        \baspire  \blifebook  \besprimo  \bcelsius  \btravelmate  \btecra  \bchrome ?(?:book|box|base)  \bpixelbook
        \bnuc\d{0,2}\b  \braspberry  \braspi  \braspbian  \bdietpi  \bodroid  \borange ?pi  \bbanana ?pi  \brpi\d?\b
        \bpi ?zero  \bbeagle ?bone  \bjetson  \bubuntu  \bdebian  \bfedora  \bpop os\b  \barch ?linux  \bmanjaro
        \bkali\b  \blinux ?mint  \bgentoo  \bnixos  \bopensuse  \bcentos  \brocky ?linux  \balma ?linux  \bredhat
        \brhel\b  \bfree ?bsd  \bopen ?bsd  \bnet ?bsd  \bwindows ?(?:xp|7|8|10|11|vista)  \bwin ?(?:10|11|7)\b
        \bvirtualbox  \bvmware  \bkvm\b  \bqemu  \bparallels  \btuxedo
    """),
    ("nas", WORD, r"\bnas\d{0,2}\b"),
    ("server", WORD, r"\bserver\d{0,2}\b  \bsrv\d{0,2}\b"),
    ("computer", WORD, r"""
        \bpc\d{0,3}\b  \bnotebook\b  \blaptop\b  \bdesktop\b  \bworkstation\b  \bcomputer\b  \brechner\b  pc$
    """),
    ("printer", WEAK, r"\bprint\b"),
    ("plug", WORD, r"\bplug\b  \bsocket\b  \boutlet\b"),
    ("light", WORD, r"\bbulb\b  \blamp[e]?\b  \blicht\b  \blights?\b"),
    ("access_point", WORD, r"\bap\d{0,2}\b  \bwlan ap\b"),
    ("tablet", WEAK, r"\bpad\b"),
    # The chips and firmware of things for the home, where no product is named.
    ("iot", STRONG, r"""
        \besp[ -]?(?:8266|32)\b  \besp [0-9a-f]{6}\b  \besp\b  \bespressif  \btasmota  \besphome  \bsonoff  \bshelly
        \btuya  \btuyasmart  \bsmart ?life  \bgain ?span  \bwemo\b  \bmeross  \bitead  \bwifi ?(?:module|link)  \blwip
        \bmxchip  \bhf ?lpb  \bhi ?flying  \barduino  \bnodemcu  \bwemos  \bmicropython  \btapo\b  \bkasa\b  \bhue\b
        \bosram\b  \bledvance  \bmydlink  \bdch [a-z]?\d{2,3}  \bednet  \bgainspan[0-9a-f]{4,6}  \blumi\b  \baqara
        \bzigbee  \bz ?wave  \bswitch ?bot  \bsmart ?home  \biot\b
    """),
)  # fmt: skip
ROWS = tuple(
    (kind, strength, re.compile("|".join(re.split(r"\s{2,}", text.strip())))) for kind, strength, text in _ROWS
)
_NEITHER = re.compile(r"[\W_]+")


def spaced(text: str) -> str:
    """A text as the rows want it."""
    return _NEITHER.sub(" ", text.lower()).strip()


@lru_cache(256)  # what a device says is looked at again with each new clue of it
def find(text: str) -> tuple[str, int, str] | None:
    """The kind that a text names, how sure that is, and the words that name it; None where it names none."""
    plain = spaced(text[:LONGEST])
    for kind, strength, pattern in ROWS:
        if match := pattern.search(plain):
            return kind, strength, match[0].strip()
    return None
