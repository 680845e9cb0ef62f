# SPDX-License-Identifier: BSD-3-Clause
# Makes one line of each of kmemleak's reports, as the kernel's log takes it: how much, whose, and the
# functions that led to the allocation, innermost first.

function end_report() {
	if (line != "")
		print substr(line, 1, 900)
	line = ""
	trace = 0
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
	line = line " " $1
}

END {
	end_report()
}
