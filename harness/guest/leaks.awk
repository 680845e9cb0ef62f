# SPDX-License-Identifier: BSD-3-Clause
# Makes one line, as the kernel's log takes it, of all of kmemleak's reports on the same allocation:
# the size, how many, whose, and the functions that led to it, innermost first. Call it with the
# modules' symbols, as /proc/kallsyms had them before the modules were unloaded, and the reports.

function end_report() {
	if (line != "" && !count[line]++)
		lines[++kinds] = line
	line = ""
	trace = 0
}

# The function at an address, of which nothing is left but the number. Numbers of one length compare
# as texts do.
function name_of(place, address, symbol, best) {
	if (place !~ /^0x/)
		return place
	if (place in known)
		return known[place]
	address = substr(place, 3)
	best = ""
	for (symbol in names)
		if (symbol <= address && symbol > best)
			best = symbol
	known[place] = best == "" ? place : names[best]
	return known[place]
}

FILENAME == ARGV[1] {
	if ($2 ~ /[tT]/)
		names[$1 ""] = $3 "+? " $4
	next
}

/^unreferenced object/ {
	end_report()
	line = "(size " $NF
	sub(/:$/, "", line)
	next
}

/^  comm/ {
	sub(/, pid.*/, "")
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
	for (i = 1; i <= kinds; i++)
		print substr("kmemleak: unreferenced object, " count[lines[i]] " times " lines[i], 1, 900)
}
