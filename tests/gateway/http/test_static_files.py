from gateway.http.static_files import squeeze, strip


def test_what_a_browser_does_not_need_is_left_out() -> None:
    style = """/* a note: with { braces } */
    .a > .b, .c :hover { color: var(--ink); margin: 0 auto; }
    @media (min-width: 48rem) and (hover) { .a { width: calc(100% - 2px); content: ""; } }
    """
    assert squeeze(style) == (
        ".a>.b,.c :hover{color:var(--ink);margin:0 auto}"
        '@media (min-width:48rem) and (hover){.a{width:calc(100% - 2px);content:""}}'
    )


def test_comments_and_indentation_of_a_script_are_left_out() -> None:
    script = """// what it does
    const place = "https://vote.example"; // stays,
    if (place) {
      // why
      go(`${place}/x`);
    }
    """
    assert strip(script) == 'const place = "https://vote.example"; // stays,\nif(place){go(`${place}/x`);}'


def test_space_around_marks_of_a_script_is_left_out_but_not_in_texts() -> None:
    script = 'const a = (b, c) => b >= 1 ? `${ b } = ${c}` : "x, y : (z)";\nreturn a + +b - -c'
    assert strip(script) == 'const a=(b,c)=>b>=1?`${ b } = ${c}`:"x, y : (z)";return a + +b - -c'
