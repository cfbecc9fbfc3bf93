from gateway.http.styles import squeeze


def test_what_a_browser_does_not_need_is_left_out() -> None:
    style = """/* a note: with { braces } */
    .a > .b, .c :hover { color: var(--ink); margin: 0 auto; }
    @media (min-width: 48rem) and (hover) { .a { width: calc(100% - 2px); content: ""; } }
    """
    assert squeeze(style) == (
        ".a>.b,.c :hover{color:var(--ink);margin:0 auto}"
        '@media (min-width:48rem) and (hover){.a{width:calc(100% - 2px);content:""}}'
    )
