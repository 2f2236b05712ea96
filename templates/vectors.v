    // ==== The end
    integer failures;
    task fail;
        begin
            failures = failures + 1;
            if (failures == 20) stop;
        end
    endtask

    task stop;
        begin
            $display("FAIL {{ top }}");
`ifdef __ICARUS__
            // $stop would wait for commands, and end with status 0.
            $finish_and_return(1);
`else
            $stop;
`endif
        end
    endtask

    // ==== Vectors: read digit by digit, since $readmemh does not fail where a file is missing or
    // short
    reg [IN_BITS-1:0]    given [0:VECTORS*IN_BEATS-1];
    reg [OUT_BITS-1:0]   expected [0:VECTORS*OUT_BEATS-1];
    reg [PATH_BITS-1:0]  home, folder;
    reg [WIDER_BITS-1:0] word;
    reg                  whole;
    integer              vectors, file, lines, place, code;

    task read_line(input integer nibbles);
        begin
            whole = file != 0;
            for (place = 0; whole && place < nibbles; place = place + 1) begin
                code = $fgetc(file);
                word = word << 4;
                if      (code >= "0" && code <= "9") word[3:0] = code[3:0];
                else if (code >= "a" && code <= "f") word[3:0] = code[3:0] + 4'd9;
                else                                 whole = 1'b0;
            end
            if (whole) code = $fgetc(file);
            whole = whole && code == 10;
        end
    endtask

    // Leaves `whole` low where something is wrong.
    task read_files;
        begin
            file = $fopen({folder, "/{{ input_file }}"}, "r");
            whole = 1'b1;
            for (lines = 0; whole && lines < VECTORS * IN_BEATS; lines = lines + 1) begin
                read_line((IN_BITS + 3) / 4);
                given[lines] = word[IN_BITS-1:0];
            end
            told("{{ input_file }}");
            if (whole) begin
                file = $fopen({folder, "/{{ output_file }}"}, "r");
                for (lines = 0; whole && lines < VECTORS * OUT_BEATS; lines = lines + 1) begin
                    read_line((OUT_BITS + 3) / 4);
                    expected[lines] = word[OUT_BITS-1:0];
                end
                told("{{ output_file }}");
            end
        end
    endtask

    // Closes the file, which must be at its end, and says what is wrong with it.
    task told(input [PATH_BITS-1:0] name);
        begin
            if (file == 0)
                $display("%0s/%0s cannot be read; +data=FOLDER says where it is", folder, name);
            else begin
                if (!whole)
                    $display("%0s/%0s: line %0d is not a beat of hexadecimal digits", folder, name,
                             lines);
                else begin
                    code = $fgetc(file);
                    whole = code == -1;
                    if (!whole) $display("%0s/%0s has more than %0d lines", folder, name, lines);
                end
                $fclose(file);
            end
        end
    endtask
