set here [file dirname [file normalize [info script]]]
if {[file normalize [pwd]] eq $here} {
    error "start this in a folder of your own, not in the build folder:\
        what it makes lies where it is started"
}
