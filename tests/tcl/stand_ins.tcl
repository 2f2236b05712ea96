# Runs a script for Vivado, Quartus or Platform Designer with stand-ins for their commands, each
# with the options that its documentation gives it, and prints every call. A command, an option or
# a number of words that is not in this list is an error, as is a file that is read and not there.
#
#   tclsh stand_ins.tcl SCRIPT [ARGUMENT ...]

# Checks the words of a call: `options` end in = where they take a value, and from `least` to `most`
# words are none of them. Returns those words.
proc check {name options least most words} {
    set plain {}
    for {set i 0} {$i < [llength $words]} {incr i} {
        set word [lindex $words $i]
        if {"$word=" in $options} {
            incr i
            if {$i == [llength $words]} { error "$name: $word lacks its value" }
        } elseif {[string match -?* $word] && ![string is double $word]} {
            if {$word ni $options} { error "$name: it has no option $word" }
        } else {
            lappend plain $word
        }
    }
    if {[llength $plain] < $least || [llength $plain] > $most} {
        error "$name: [llength $plain] words beside the options: $words"
    }
    return $plain
}

# Prints a call, with the files beside the script by their names alone.
proc tell {call} {
    set plain {}
    foreach word $call { lappend plain [string map [list $::folder/ ""] $word] }
    puts $plain
}

# A command and what it yields: a word, or a script behind =. Its last word is a list where `files`
# is among the options.
proc stand_in {name least most options {yields ""}} {
    set body ""
    if {"files" in $options} {
        append body "set words \[concat \[lrange \$words 0 end-1\] \[lindex \$words end\]\]\n"
    }
    append body "set plain \[check $name [list $options] $least $most \$words\]\n"
    append body "tell \[list $name {*}\$words\]\n"
    set is_script [string match =* $yields]
    append body [expr {$is_script ? [string range $yields 1 end] : "return [list $yields]"}]
    namespace eval [namespace qualifiers ::$name] {}
    proc ::$name args "set words \$args\n$body"
}

proc is_there {path} {
    if {![file isfile $path]} { error "$path is not there" }
}
set reads {=foreach path $plain { is_there $path }}
set names {=return [lindex $plain 0]}

# ==== Vivado (UG835)
stand_in set_msg_config 0 0 {-id= -new_severity=}
stand_in create_project 0 2 {-in_memory -part=}
stand_in close_project 0 0 {}
stand_in current_project 0 0 {} project
stand_in current_fileset 0 0 {} sources_1
stand_in read_verilog 1 1 {files} $reads
stand_in read_mem 1 1 {files} $reads
stand_in read_xdc 1 1 {-mode=} $reads
stand_in add_files 1 1 {files -norecurse -fileset=} $reads
stand_in get_filesets 1 1 {} $names
stand_in get_files 1 1 {} $names
stand_in get_runs 1 1 {} $names
stand_in get_ports 1 1 {} $names
stand_in get_clocks 1 1 {} $names
stand_in update_compile_order 0 0 {-fileset=}
stand_in synth_design 0 0 {-top= -part= -mode=}
stand_in opt_design 0 0 {}
stand_in place_design 0 0 {}
stand_in phys_opt_design 0 0 {}
stand_in route_design 0 0 {}
stand_in write_checkpoint 1 1 {-force}
stand_in report_utilization 0 0 {-hierarchical -file=}
stand_in report_timing_summary 0 0 {-max_paths= -file=}
stand_in get_timing_paths 0 0 {-setup -max_paths=} path
stand_in create_clock 1 1 {-name= -period=}
stand_in set_property 0 3 {-name= -value= -objects=}
stand_in get_property 2 2 {} {=return [dict get {PERIOD 5.0 SLACK 1.0} [lindex $plain 0]]}
stand_in ipx::package_project 0 0 {-root_dir= -vendor= -library= -taxonomy= -import_files -force}
stand_in ipx::current_core 0 0 {} core
stand_in ipx::get_bus_interfaces 1 1 {-of_objects=} $names
stand_in ipx::associate_bus_interfaces 1 1 {-busif= -clock= -reset=}
stand_in ipx::remove_bus_parameter 2 2 {-quiet}
stand_in ipx::create_xgui_files 1 1 {}
stand_in ipx::update_checksums 1 1 {}
stand_in ipx::check_integrity 1 1 {}
stand_in ipx::save_core 1 1 {}

# ==== Quartus (Tcl packages project and flow, and the Timing Analyzer's SDC)
stand_in load_package 1 1 {}
stand_in project_new 1 1 {-overwrite}
stand_in project_close 0 0 {}
stand_in export_assignments 0 0 {}
stand_in execute_flow 0 0 {-compile}
stand_in set_global_assignment 1 1 {-name=} {=
    if {[string match *_FILE [lindex $words 1]]} { is_there [lindex $plain 0] }
}
stand_in set_instance_assignment 1 1 {-name= -to=}
stand_in derive_clock_uncertainty 0 0 {}

# ==== Platform Designer: its paths are those beside the script
rename package own_package
proc package args {
    if {$args ne {require qsys}} { return [uplevel own_package $args] }
}
stand_in set_module_property 2 2 {}
stand_in add_fileset 2 4 {}
stand_in set_fileset_property 3 3 {}
stand_in add_fileset_file 4 5 {} {=
    is_there [file join [file dirname [info script]] [lindex $plain 3]]
}
stand_in add_interface 3 3 {}
stand_in set_interface_property 3 3 {}
stand_in add_interface_port 5 5 {}

set script [lindex $argv 0]
set folder [file dirname [file normalize $script]]
set argv [lrange $argv 1 end]
source $script
