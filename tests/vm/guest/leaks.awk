# SPDX-License-Identifier: BSD-3-Clause
# Makes one line of each of kmemleak's reports, as the kernel's log takes it: how much, whose, and
# the functions that led to the allocation, innermost first. Call it with the modules' symbols, as
# /proc/kallsyms had them before the modules were unloaded, and the reports.

function end_report() {
	if (line != "")
		print substr(line, 1, 900)
	line = ""
	trace = 0
}

# The function at an address, of which nothing is left but the number. Numbers of one length compare
# as texts do.
function name_of(place, address, symbol, best) {
	if (place !~ /^0x/)
		return place
	address = substr(place, 3)
	best = ""
	for (symbol in names)
		if (symbol <= address && symbol > best)
			best = symbol
	return best == "" ? place : names[best]
}

FILENAME == ARGV[1] {
	if ($2 ~ /[tT]/)
		names[$1 ""] = $3 "+? " $4
	next
}

/^unreferenced object/ {
	end_report()
	line = "kmemleak: " $0
	next
}

/^  comm/ {
	sub(/, jiffies.*/, "")
	sub(/^ */, "")
	line = line " " $0 ":"
	next
}

/^  backtrace/ {
	trace = 1
	next
}

trace {
	line = line " " name_of($1)
}

END {
	end_report()
}
